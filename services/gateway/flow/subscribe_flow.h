#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "libs/mqtt/packets.h"
#include "services/gateway/flow/things.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

class Lifecycle;
class PubSub;

// SUBSCRIBE and UNSUBSCRIBE: a device's own topics are granted at once; for others the session is
// read no further until their place in the streams is known. Shard's thread only.
class SubscribeFlow {
 public:
  SubscribeFlow(ShardContext& context, PubSub& pub_sub, Things& things, Lifecycle& lifecycle)
      : c_(context), pub_sub_(pub_sub), things_(things), lifecycle_(lifecycle) {}

  FrameOutcome OnSubscribe(Session& session, const mqtt::Frame& frame);
  // The subscriptions of a kept session to its device's own topics; yields the others.
  [[nodiscard]] internal::v1::KeptFilters RestoreOwn(Session& session,
                                                     const internal::v1::KeptFilters& filters);
  FrameOutcome OnUnsubscribe(Session& session, const mqtt::Frame& frame);

 private:
  struct Answer;
  struct Deltas;
  struct Place {  // of a reason in a SUBACK
    std::shared_ptr<Answer> answer;
    size_t index = 0;
  };
  // Whose topics a filter is about, where they come to this session alone; empty: nobody's.
  [[nodiscard]] std::string_view OwnerOf(const Session& session, std::string_view filter) const;
  // What is wrong with the filter; kSuccess when nothing is.
  [[nodiscard]] mqtt::ReasonCode Check(const Session& session,
                                       const mqtt::Subscription& subscription) const;
  // `device`: the session's own, or a thing that it may use. `id`: 0 is none.
  [[nodiscard]] mqtt::ReasonCode AddOwn(Session& session, const mqtt::Subscription& subscription,
                                        std::string_view device, uint32_t id);
  // A granted filter of own topics, in the order in which its messages can come.
  void SettleOwn(Session& session, const mqtt::Subscription& subscription, std::string_view device,
                 std::optional<uint32_t> id, Place place);
  [[nodiscard]] mqtt::ReasonCode Remove(Session& session, std::string_view filter);
  void Granted(const std::shared_ptr<Answer>& answer, size_t index, mqtt::ReasonCode reason);
  void Refuse(const Place& place, std::string_view filter, mqtt::ReasonCode reason);
  void Store(const std::shared_ptr<Answer>& answer);
  void TakeBack(Answer& answer);
  [[nodiscard]] FrameOutcome RefuseUnanswerable(Session& session);
  void Finish(Answer& answer);
  void TellSubscribed(const Session& session, const Answer& answer);
  // Where the session outlives its connection, so do its subscriptions.
  void Save(const Session& session, SessionStore::OnWritten on_saved) const;
  // Whoever listens for deltas anew is told by the registry what is pending.
  void TellDeltaFilters(const Session& session, const Deltas& deltas);

  ShardContext& c_;
  PubSub& pub_sub_;
  Things& things_;
  Lifecycle& lifecycle_;
};

// How `session` gets messages on one of its own topics.
struct OwnGrant {
  int qos = -1;               // -1: it has not subscribed
  std::vector<uint32_t> ids;  // of the subscriptions that match
};
[[nodiscard]] OwnGrant GrantOf(const Session& session, std::string_view topic);

}  // namespace homeport::gateway
