#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "libs/base/strings.h"
#include "libs/mqtt/packets.h"
#include "libs/mqtt/topic_tree.h"
#include "services/gateway/flow/delivery.h"
#include "services/gateway/pubsub/shared_claims.h"
#include "services/gateway/session/subscriber.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// The sessions of this shard that share one subscription (MQTT 5 section 4.8.2).
struct SharedGroup {
  std::string name;
  std::string filter;
  std::shared_ptr<const std::string> id;  // "<name>/<filter>"; messages on their way have it too
  std::vector<std::pair<SessionHandle, const BusFilter*>> members;
  size_t next = 0;  // whose turn it is
};

// Subscriptions to topics that are no device's own, and what the bus brings for them. A message
// goes to each session once, with the highest QoS of the filters that match and all their
// subscription identifiers. Shard's thread only.
class PubSub {
 public:
  // The granted QoS, or why not; and what is to be done once the client has been told.
  using OnSettled =
      absl::AnyInvocable<void(mqtt::ReasonCode, absl::AnyInvocable<void()> after_suback)>;

  PubSub(ShardContext& context, redis::Client& redis, Delivery& delivery)
      : c_(context),
        redis_(redis),
        delivery_(delivery),
        claims_(context, redis, [this](const SharedClaim& claim) { OnOurs(claim); }) {}

  // Adds or replaces a subscription. Whatever is published after `on_settled` is delivered, behind
  // the retained messages that the subscription asks for.
  // REQUIRES: the filter is valid and permitted.
  void Subscribe(Session& session, const mqtt::Subscription& subscription,
                 std::optional<uint32_t> id, OnSettled on_settled);
  // Whether retained messages are still on their way to the session, which then is to subscribe to
  // nothing more: it is resumed when it has them.
  [[nodiscard]] bool HoldBack(Session& session);
  // False when there was none.
  bool Unsubscribe(Session& session, std::string_view filter);
  void Forget(Session& session);

  // From the bus.
  void OnMessage(uint32_t partition, const BusPlace& place, const SharedMessage& message);

  // The subscriptions of `session` go over to `heir`, another slot of the same client: those that
  // are not settled end.
  void Move(Session& session, Session& heir);
  // The subscriptions of a session that comes from elsewhere, as KeptFilters says them, and the
  // messages behind `had` that they match. With kStillSent they wait for the end of the former
  // connection, for `former-end-ms-max` at most. `on_restored`: false when Redis did not answer.
  using OnRestored = absl::AnyInvocable<void(bool)>;
  void Restore(Session& session, const internal::v1::KeptFilters& filters,
               std::vector<std::pair<uint32_t, BusPlace>> had, Missed missed,
               OnRestored on_restored);
  // Whether the session has shared subscriptions.
  [[nodiscard]] static bool SharesAny(const Session& session);
  // Whether the session has not had yet what was published while it moved.
  [[nodiscard]] static bool IsCatchingUp(const Session& session) {
    return session.cold && session.cold->subscriber && session.cold->subscriber->catching_up;
  }
  // The session ends: what its client has not acknowledged of a shared subscription goes to another
  // member (section 4.8.2), as far as it may.
  void LeaveToOthers(const Session& session);
  void LeaveToOthers(const SessionStore::Queued& queued);
  void LeaveToOthers(const KeptRecord& record, uint64_t sent);
  // Whether a session of this shard, there or away, has a subscription to the topic.
  [[nodiscard]] bool HasSubscriber(std::string_view topic) const;
  // The former connection of that session gets nothing any more.
  void OnFormerEnded(SessionHandle handle);
  // Whether a session of this shard follows lifecycle events.
  [[nodiscard]] bool follows_events() const { return event_filters_ > 0; }
  // Once a second: tells Redis which sessions have caught up.
  void TellLevel();
  // No session is behind what the bus has brought.
  [[nodiscard]] bool is_level() const { return catching_up_ == 0 && holding_ == 0; }
  // Adds the session's subscriptions to what Redis is to keep of it.
  static void Save(const Session& session, internal::v1::KeptFilters& filters);

 private:
  struct Settling;
  void AskPlaces(std::shared_ptr<Settling> settling);
  void Placed(std::shared_ptr<Settling> settling);
  void Approach(std::shared_ptr<Settling> settling);
  void Approached(const std::shared_ptr<Settling>& settling);
  void SendRetained(std::shared_ptr<Settling> settling);
  void SendRetainedLater(const std::shared_ptr<Settling>& settling);
  void ScanRetained();
  void OnScanned(const std::shared_ptr<Settling>& settling, const redis::Reply& reply);
  void OnRetained(Settling& settling, std::string_view bytes);
  void Feed(const std::shared_ptr<Settling>& settling);
  // Whether the retained messages for that session may wait until it has room for them.
  [[nodiscard]] static bool MayWait(const Session& session);
  void ForgetRetained(std::string_view topic, std::string_view bytes);
  void Settle(std::shared_ptr<Settling> settling, mqtt::ReasonCode reason);
  void Release(const Settling& settling);
  void OneSettled(Session& session);
  [[nodiscard]] BusFilter* FilterOf(const Settling& settling, Session** session);
  // The partitions that a filter can match.
  struct PartitionRange {
    uint32_t first = 0;
    uint32_t count = 1;
  };
  [[nodiscard]] PartitionRange PartitionsOf(std::string_view filter) const;
  struct Restoring;
  void StartCatchUp(Session& session, OnRestored on_restored);
  void AwaitFormer(Session& session, std::shared_ptr<Restoring> restoring);
  void OnFormerSilent(SessionHandle handle);
  void FollowAll(std::shared_ptr<Restoring> restoring);
  void CatchUp(std::shared_ptr<Restoring> restoring, uint32_t partition, StreamPos tail);
  void CatchUpLater(const Session& session, const std::shared_ptr<Restoring>& restoring);
  void EndCatchUp(const std::shared_ptr<Restoring>& restoring, uint32_t partition, StreamPos tail);
  void ReleaseHeld(Session& session);
  // REQUIRES: the session has a Subscriber, which goes with its last subscription.
  void FreeIfDone(Session& session);
  [[nodiscard]] static BusFilter* Find(const Session& session, std::string_view filter,
                                       std::string_view group);
  void Hold(Session& session, const Delivery::Origin& from, const SharedMessage& message);
  void ForgetHeld(Subscriber& subscriber);
  void DeliverNow(Session& session, const Delivery::Origin& from, const SharedMessage& message);
  void DeliverTo(Session& session, const Delivery::Origin& from, const SharedMessage& message);
  void OnShared(SharedGroup& group, const Delivery::Origin& from, const SharedMessage& message);
  using SharedClaim = SharedClaims::Claim;
  // From where a session's shared subscriptions may have messages that no pod has taken.
  [[nodiscard]] StreamPos SharedFrom(const Session& session, uint32_t partition,
                                     StreamPos tail) const;
  void ReplayShared(const Session& session, const Delivery::Origin& from,
                    const SharedMessage& message);
  void OnOurs(const SharedClaim& claim);
  // False where the group has no member for it here.
  bool DeliverToOne(SharedGroup& group, const SharedClaim& claim);
  void PassOn(const SharedClaim& claim);
  void PutBack(const SharedClaim& claim);
  void OnKept(const SharedClaim& claim, SharedDelivery& delivery, SessionStore::Written how);
  // False where the bus is full.
  bool Republish(const std::string& group, const BusMessage& message);
  void Add(Session& session, BusFilter& filter, std::string_view group);
  void Remove(Session& session, BusFilter& filter);
  // Whether the session's client has published it.
  [[nodiscard]] static bool IsOf(const Session& session, const BusMessage& message);
  // Whether the message may go to that client.
  [[nodiscard]] bool IsFor(const Session& session, const BusMessage& message) const;

  ShardContext& c_;
  redis::Client& redis_;
  Delivery& delivery_;
  mqtt::TopicTree<uint64_t> sessions_;  // packed handles
  mqtt::TopicTree<SharedGroup*> shared_;
  std::map<std::string, std::unique_ptr<SharedGroup>, std::less<>> groups_;  // by SharedGroup::id
  SharedClaims claims_;
  // Sessions whose former connection has not ended yet, by packed handle.
  std::map<uint64_t, std::shared_ptr<Restoring>> awaiting_former_;
  // Whose retained messages are to be read on: at most one SUBSCRIBE's of a session.
  std::deque<std::shared_ptr<Settling>> scans_;
  size_t scans_under_way_ = 0;
  std::vector<SessionHandle> level_;  // of which TellLevel tells
  uint64_t visit_ = 0;
  int catching_up_ = 0;  // sessions
  int holding_ = 0;      // sessions with messages that are not in their queues yet
  int event_filters_ = 0;
};

}  // namespace homeport::gateway
