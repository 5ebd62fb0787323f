#include "services/gateway/delivery.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/mqtt/decode.h"
#include "libs/mqtt/encode.h"
#include "services/gateway/subscribe_flow.h"

namespace homeport::gateway {
namespace {

constexpr size_t kWaitingMax = 100;

}  // namespace

size_t Delivery::Window(const Session& session) const {
  const size_t limit = c_.config.inflight_max;
  return session.cold ? std::min<size_t>(limit, session.cold->receive_max) : limit;
}

DeliveryResult Delivery::Deliver(SessionHandle handle, uint64_t epoch, const Message& message) {
  Session* session = c_.io.sessions().Find(handle);
  if (session == nullptr || session->phase != Phase::kOnline || session->epoch != epoch) {
    c_.probe.stale_epochs.Increment();
    return DeliveryResult::kStale;
  }
  const int granted = GrantedQos(*session, message.topic);
  if (granted < 0) return DeliveryResult::kNotSubscribed;
  if (std::min(granted, message.qos) == 0) {
    Send(*session, message, 0);
    return DeliveryResult::kSent;
  }
  ColdState& cold = session->Cold();
  if (cold.waiting.empty()) {
    if (const auto id = cold.to_device.Add(mqtt::Awaiting::kPuback, 0, Window(*session))) {
      Send(*session, message, *id);
      return DeliveryResult::kSent;
    }
  }
  if (cold.waiting.size() >= kWaitingMax) {
    c_.probe.Refuse("delivery_queue_full");
    log::Refusal("delivery_dropped", {{"device", session->identity->device},
                                      {"topic", message.topic},
                                      {"reason", "the client does not acknowledge"}});
    return DeliveryResult::kQueueFull;
  }
  cold.waiting.push_back({std::string(message.topic), std::string(message.payload)});
  return DeliveryResult::kSent;
}

void Delivery::Send(Session& session, const Message& message, uint16_t packet_id) {
  mqtt::PublishHeader header;
  header.version = session.version;
  header.topic = message.topic;
  header.payload_bytes = message.payload.size();
  header.packet_id = packet_id;
  header.qos = packet_id == 0 ? mqtt::Qos::kAtMostOnce : mqtt::Qos::kAtLeastOnce;
  std::string bytes(mqtt::PublishHeaderBytes(header), '\0');
  mqtt::EncodePublishHeader(header, bytes.data());
  const size_t total = bytes.size() + message.payload.size();
  if (session.cold && session.cold->packet_bytes_max != 0 &&
      total > session.cold->packet_bytes_max) {
    // [MQTT-3.1.2-25]: dropped as if it had been delivered.
    c_.probe.Refuse("client_packet_bytes_max");
    log::Refusal("delivery_dropped", {{"device", session.identity->device},
                                      {"topic", message.topic},
                                      {"reason", "over the client's maximum packet size"}});
    session.cold->to_device.Complete(packet_id, mqtt::Awaiting::kPuback);
    return;
  }
  c_.probe.deliveries.Increment();
  c_.io.Send(session, bytes, message.payload);
}

FrameOutcome Delivery::OnPuback(Session& session, const mqtt::Frame& frame) {
  mqtt::DecodeOptions options;
  options.version = session.version;
  mqtt::Packet packet;
  if (const mqtt::DecodeError error = mqtt::Decode(frame, options, &packet)) {
    c_.probe.Refuse(mqtt::Name(error.reason));
    c_.io.Close(session, {"CLIENT_ERROR", error.reason, error.what});
    return FrameOutcome::kConsumed;
  }
  if (!session.cold) return FrameOutcome::kConsumed;
  const uint16_t id = std::get<mqtt::Puback>(packet).packet_id;
  session.cold->to_device.Complete(id, mqtt::Awaiting::kPuback);
  while (session.is_open() && !session.cold->waiting.empty()) {
    const auto next = session.cold->to_device.Add(mqtt::Awaiting::kPuback, 0, Window(session));
    if (!next) break;
    const WaitingMessage message = std::move(session.cold->waiting.front());
    session.cold->waiting.pop_front();
    Send(session, {message.topic, message.payload, 1}, *next);
  }
  if (session.is_open()) session.TrimCold();
  return FrameOutcome::kConsumed;
}

}  // namespace homeport::gateway
