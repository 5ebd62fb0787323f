#include "services/gateway/delivery.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/mqtt/decode.h"
#include "libs/mqtt/encode.h"
#include "services/gateway/subscribe_flow.h"

namespace homeport::gateway {
namespace {

using mqtt::Awaiting;
using mqtt::PropertyPlace;
using mqtt::Qos;
using mqtt::ReasonCode;
using mqtt::Version;

constexpr size_t kWaitingMax = 1000;

// Of the message, and of this delivery of it; version 5 only.
std::string PropertiesOf(const OutMessage& out, int64_t expires_in_s) {
  mqtt::Properties added;
  if (out.message->has_expiry_s()) {
    added.message_expiry_s = static_cast<uint32_t>(expires_in_s);  // [MQTT-3.3.2-6]
  }
  added.subscription_ids = out.subscription_ids;
  if (!out.message->has_expiry_s() && out.subscription_ids.empty()) {
    return out.message->properties();
  }
  std::string bytes;
  mqtt::EncodeProperties(added, mqtt::PlaceOf(mqtt::PacketType::kPublish), &bytes);
  size_t length_bytes = 1;  // the list's length stands before it
  while ((static_cast<uint8_t>(bytes[length_bytes - 1]) & 0x80) != 0) ++length_bytes;
  return out.message->properties() + bytes.substr(length_bytes);
}

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
  auto stored = std::make_shared<BusMessage>();
  stored->set_topic(std::string(message.topic));
  stored->set_payload(std::string(message.payload));
  return Send(*session, {std::move(stored), {}, static_cast<Qos>(std::min(granted, message.qos))});
}

DeliveryResult Delivery::Send(Session& session, OutMessage out) {
  if (out.qos == Qos::kAtMostOnce) {
    static_cast<void>(Write(session, out, 0));
    return DeliveryResult::kSent;
  }
  Outbound& outbound = session.Cold().outbound;
  if (outbound.waiting() >= kWaitingMax) {
    Drop(session, out.message->topic(), "delivery_queue_full", "the client does not acknowledge");
    return DeliveryResult::kQueueFull;
  }
  outbound.Push(std::move(out));
  SendWaiting(session);
  return DeliveryResult::kSent;
}

void Delivery::SendWaiting(Session& session) {
  while (session.is_open() && session.cold) {
    Outbound::Entry* entry = session.cold->outbound.Next(Window(session));
    if (entry == nullptr) break;
    const OutMessage out = entry->out;
    if (!Write(session, out, entry->packet_id)) session.cold->outbound.DropLast();
  }
  if (session.is_open()) session.TrimCold();
}

bool Delivery::Write(Session& session, const OutMessage& out, uint16_t packet_id) {
  const BusMessage& message = *out.message;
  int64_t expires_in_s = 0;
  if (message.has_expiry_s()) {
    expires_in_s =
        int64_t{message.expiry_s()} - (c_.reactor.wall().value - message.received_ms()) / 1000;
    if (expires_in_s <= 0) {
      Drop(session, message.topic(), "message_expired", "its expiry interval has passed");
      return false;
    }
  }
  std::string properties;
  if (session.version == Version::k5) properties = PropertiesOf(out, expires_in_s);
  mqtt::PublishHeader header;
  header.version = session.version;
  header.topic = message.topic();
  header.property_bytes = properties;
  header.payload_bytes = message.payload().size();
  header.packet_id = packet_id;
  header.qos = out.qos;
  header.retain = out.retain;
  std::string bytes(mqtt::PublishHeaderBytes(header), '\0');
  mqtt::EncodePublishHeader(header, bytes.data());
  const size_t total = bytes.size() + message.payload().size();
  if (session.cold && session.cold->packet_bytes_max != 0 &&
      total > session.cold->packet_bytes_max) {
    // [MQTT-3.1.2-25]: dropped as if it had been delivered.
    Drop(session, message.topic(), "client_packet_bytes_max",
         "over the client's maximum packet size");
    return false;
  }
  c_.probe.deliveries.Increment();
  c_.io.Send(session, bytes, message.payload());
  return true;
}

void Delivery::Drop(const Session& session, std::string_view topic, std::string_view reason,
                    std::string_view text) {
  c_.probe.Refuse(reason);
  log::Refusal("delivery_dropped",
               {{"device", session.identity->device}, {"topic", topic}, {"reason", text}});
}

bool Delivery::DecodeAnswer(Session& session, const mqtt::Frame& frame, mqtt::Packet* packet) {
  mqtt::DecodeOptions options;
  options.version = session.version;
  const mqtt::DecodeError error = mqtt::Decode(frame, options, packet);
  if (error.ok()) return true;
  c_.probe.Refuse(mqtt::Name(error.reason));
  c_.io.Close(session, {"CLIENT_ERROR", error.reason, error.what});
  return false;
}

FrameOutcome Delivery::OnPuback(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  if (!DecodeAnswer(session, frame, &packet) || !session.cold) return FrameOutcome::kConsumed;
  session.cold->outbound.Complete(std::get<mqtt::Puback>(packet).packet_id, Awaiting::kPuback);
  SendWaiting(session);
  return FrameOutcome::kConsumed;
}

// A failure ends the exchange; else PUBREL, also for an id that is unknown: then with 0x92, which
// lets the client forget it [MQTT-4.3.3-4].
FrameOutcome Delivery::OnPubrec(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  if (!DecodeAnswer(session, frame, &packet)) return FrameOutcome::kConsumed;
  const auto& pubrec = std::get<mqtt::Pubrec>(packet);
  if (mqtt::IsFailure(pubrec.reason)) {
    if (session.cold) session.cold->outbound.Complete(pubrec.packet_id, Awaiting::kPubrec);
    SendWaiting(session);
    return FrameOutcome::kConsumed;
  }
  mqtt::Pubrel pubrel;
  pubrel.packet_id = pubrec.packet_id;
  const bool known = session.cold && session.cold->outbound.Received(pubrec.packet_id);
  if (!known) pubrel.reason = ReasonCode::kPacketIdentifierNotFound;
  std::string bytes;
  mqtt::EncodePubrel(pubrel, session.version, &bytes);
  c_.io.Send(session, bytes);
  return FrameOutcome::kConsumed;
}

FrameOutcome Delivery::OnPubcomp(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  if (!DecodeAnswer(session, frame, &packet) || !session.cold) return FrameOutcome::kConsumed;
  session.cold->outbound.Complete(std::get<mqtt::Pubcomp>(packet).packet_id, Awaiting::kPubcomp);
  SendWaiting(session);
  return FrameOutcome::kConsumed;
}

}  // namespace homeport::gateway
