#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "libs/mqtt/packets.h"
#include "libs/mqtt/topic_tree.h"
#include "services/gateway/delivery.h"
#include "services/gateway/shard_context.h"
#include "services/gateway/subscriber.h"

namespace homeport::gateway {

// The sessions of this shard that share one subscription (MQTT 5 section 4.8.2).
struct SharedGroup {
  std::string name;
  std::string filter;
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
      : c_(context), redis_(redis), delivery_(delivery) {}

  // Adds or replaces a subscription. Whatever is published after `on_settled` is delivered, behind
  // the retained messages that the subscription asks for.
  // REQUIRES: the filter is valid and permitted.
  void Subscribe(Session& session, const mqtt::Subscription& subscription,
                 std::optional<uint32_t> id, OnSettled on_settled);
  // False when there was none.
  bool Unsubscribe(Session& session, std::string_view filter);
  void Forget(Session& session);

  // From the bus.
  void OnMessage(uint32_t partition, StreamPos pos, const SharedMessage& message);

 private:
  struct Settling;
  void AskPlaces(std::shared_ptr<Settling> settling);
  void SendRetained(std::shared_ptr<Settling> settling);
  void ScanRetained(std::shared_ptr<Settling> settling, uint32_t partition, std::string cursor);
  void OnRetained(const Settling& settling, std::string_view bytes);
  void Settle(std::shared_ptr<Settling> settling, mqtt::ReasonCode reason);
  void Release(const Settling& settling);
  [[nodiscard]] BusFilter* FilterOf(const Settling& settling, Session** session);
  void DeliverTo(Session& session, uint32_t partition, StreamPos pos, const SharedMessage& message);
  void ClaimFor(SharedGroup& group, StreamPos pos, const SharedMessage& message);
  void DeliverToOne(SharedGroup& group, const SharedMessage& message);
  void Add(Session& session, BusFilter& filter, std::string_view group);
  void Remove(Session& session, BusFilter& filter);

  ShardContext& c_;
  redis::Client& redis_;
  Delivery& delivery_;
  mqtt::TopicTree<uint64_t> sessions_;  // packed handles
  mqtt::TopicTree<SharedGroup*> shared_;
  std::map<std::string, std::unique_ptr<SharedGroup>, std::less<>>
      groups_;  // by "<group>/<filter>"
  StreamPos last_pos_;
  uint32_t index_in_entry_ = 0;
  uint64_t visit_ = 0;
};

}  // namespace homeport::gateway
