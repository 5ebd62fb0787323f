#pragma once

#include <string_view>

#include "services/gateway/outbound.h"
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
  // On one of the device's own topics.
  DeliveryResult Deliver(SessionHandle handle, uint64_t epoch, const Message& message);
  // Whatever the topic; `out.qos` is what the subscription was granted. An expired message is
  // dropped [MQTT-3.3.2-5].
  DeliveryResult Send(Session& session, OutMessage out);

  FrameOutcome OnPuback(Session& session, const mqtt::Frame& frame);
  FrameOutcome OnPubrec(Session& session, const mqtt::Frame& frame);
  FrameOutcome OnPubcomp(Session& session, const mqtt::Frame& frame);

 private:
  void SendWaiting(Session& session);
  // False when it was dropped.
  bool Write(Session& session, const OutMessage& out, uint16_t packet_id);
  void Drop(const Session& session, std::string_view topic, std::string_view reason,
            std::string_view text);
  [[nodiscard]] size_t Window(const Session& session) const;
  // The packet, unless the session was closed for it.
  [[nodiscard]] bool DecodeAnswer(Session& session, const mqtt::Frame& frame, mqtt::Packet* packet);

  ShardContext& c_;
};

}  // namespace homeport::gateway
