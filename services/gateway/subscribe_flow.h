#pragma once

#include <string_view>
#include <vector>

#include "libs/mqtt/packets.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// SUBSCRIBE and UNSUBSCRIBE: a device may listen to its own topics. Shard's thread only.
class SubscribeFlow {
 public:
  explicit SubscribeFlow(ShardContext& context) : c_(context) {}

  FrameOutcome OnSubscribe(Session& session, const mqtt::Frame& frame);
  FrameOutcome OnUnsubscribe(Session& session, const mqtt::Frame& frame);

 private:
  void TellDeltaFilters(const Session& session,
                        const std::vector<mqtt::Subscription>& subscriptions,
                        const std::vector<mqtt::ReasonCode>& reasons);
  [[nodiscard]] mqtt::ReasonCode Add(Session& session, const mqtt::Subscription& subscription);
  [[nodiscard]] static mqtt::ReasonCode Remove(Session& session, std::string_view filter);

  ShardContext& c_;
};

// The QoS at which `session` gets messages on one of its own topics; -1: it has not subscribed.
[[nodiscard]] int GrantedQos(const Session& session, std::string_view topic);

}  // namespace homeport::gateway
