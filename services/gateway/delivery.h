#pragma once

#include <string_view>

#include "services/gateway/shard_context.h"

namespace homeport::gateway {

enum class DeliveryResult : uint8_t {
  kSent,   // written, or waiting for the client's earlier acknowledgements
  kStale,  // no such session, or a newer epoch
  kNotSubscribed,
  kQueueFull,  // the client acknowledges too slowly
};

// PUBLISH to clients, within their receive maximum: what exceeds it waits in a bounded queue.
// Shard's thread only.
class Delivery {
 public:
  explicit Delivery(ShardContext& context) : c_(context) {}

  struct Message {
    std::string_view topic;
    std::string_view payload;
    int qos = 1;  // lowered to what the subscription was granted
  };
  DeliveryResult Deliver(SessionHandle handle, uint64_t epoch, const Message& message);

  FrameOutcome OnPuback(Session& session, const mqtt::Frame& frame);

 private:
  void Send(Session& session, const Message& message, uint16_t packet_id);
  [[nodiscard]] size_t Window(const Session& session) const;

  ShardContext& c_;
};

}  // namespace homeport::gateway
