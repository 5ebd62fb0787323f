#include "services/fleet/io/mqtt_client.h"

#include <fmt/format.h>

#include "libs/mqtt/encode.h"
#include "libs/mqtt/frame_decoder.h"

namespace homeport::fleet {
namespace {

constexpr uint32_t kPacketBytesMax = 1 << 20;
constexpr int64_t kConnackUsMax = 15'000'000;

mqtt::DecodeOptions ClientOptions(mqtt::Version version) {
  mqtt::DecodeOptions options;
  options.version = version;
  options.side = mqtt::Side::kClient;
  options.limits.packet_bytes_max = kPacketBytesMax;
  return options;
}

// REQUIRES: two bytes are there.
uint16_t PacketIdOf(const mqtt::Frame& frame) {
  return static_cast<uint16_t>(static_cast<uint8_t>(frame.body[0]) << 8 |
                               static_cast<uint8_t>(frame.body[1]));
}

}  // namespace

void MqttClient::Open(const Endpoint& endpoint, const TlsClient* tls,
                      const mqtt::Connect& connect) {
  version_ = connect.version;
  ++generation_;
  std::string bytes;
  mqtt::EncodeConnect(connect, &bytes);
  deadline_ = loop_.After(kConnackUsMax, [this] { Fail("no answer to CONNECT"); });
  stream_.Open(endpoint, tls, std::move(bytes));
}

void MqttClient::Abort() {
  ++generation_;
  connected_ = false;
  loop_.Cancel(&deadline_);
  partial_ = std::string();
  acks_ = std::string();
  stream_.Close();
}

void MqttClient::Disconnect() {
  std::string bytes;
  mqtt::EncodeDisconnect({}, version_, &bytes);
  stream_.Write(bytes);
}

void MqttClient::Freeze() {
  connected_ = false;
  stream_.Freeze();
}

void MqttClient::Subscribe(uint16_t packet_id, std::span<const std::string> filters,
                           mqtt::Qos qos) {
  mqtt::Subscribe packet;
  packet.packet_id = packet_id;
  for (const std::string& filter : filters) {
    mqtt::Subscription subscription;
    subscription.filter = filter;
    subscription.qos = qos;
    packet.subscriptions.push_back(subscription);
  }
  std::string bytes;
  mqtt::EncodeSubscribe(packet, version_, &bytes);
  stream_.Write(bytes);
}

void MqttClient::Ping() {
  std::string bytes;
  mqtt::EncodePingreq(&bytes);
  stream_.Write(bytes);
}

void MqttClient::OnBytes(std::string_view bytes) {
  const uint32_t generation = generation_;
  if (partial_.empty()) {
    const size_t taken = Take(bytes);
    if (generation != generation_) return;
    partial_.assign(bytes.substr(taken));
  } else {
    // Taken out of the member, which a reconnecting owner would clear while it is being read.
    std::string joined = std::move(partial_);
    partial_.clear();
    joined.append(bytes);
    const size_t taken = Take(joined);
    if (generation != generation_) return;
    partial_.assign(joined, taken);
  }
  if (partial_.empty()) partial_ = std::string();
  if (!acks_.empty()) {
    stream_.Write(acks_);
    acks_ = std::string();
  }
  owner_.OnInputEnd();
}

size_t MqttClient::Take(std::string_view bytes) {
  const uint32_t generation = generation_;
  size_t at = 0;
  while (at < bytes.size()) {
    const mqtt::FrameResult result = mqtt::DecodeFrame(bytes.substr(at), kPacketBytesMax);
    if (result.kind == mqtt::FrameResult::Kind::kNeedMore) break;
    if (result.kind == mqtt::FrameResult::Kind::kError) {
      Fail(fmt::format("not MQTT from the server: {}", result.error.what));
      break;
    }
    at += result.frame.total_bytes;
    OnFrame(result.frame);
    if (generation != generation_) break;
  }
  return at;
}

void MqttClient::Acknowledge(mqtt::PacketType type, uint16_t packet_id) {
  char ack[4];
  mqtt::EncodeAck(type, packet_id, ack);
  acks_.append(ack, sizeof ack);
}

bool MqttClient::TakeQos2Step(const mqtt::Frame& frame) {
  const bool is_pubrec = frame.type == mqtt::PacketType::kPubrec;
  if ((!is_pubrec && frame.type != mqtt::PacketType::kPubrel) || frame.body.size() < 2) {
    return false;
  }
  Acknowledge(is_pubrec ? mqtt::PacketType::kPubrel : mqtt::PacketType::kPubcomp,
              PacketIdOf(frame));
  return true;
}

void MqttClient::OnFrame(const mqtt::Frame& frame) {
  if (TakeQos2Step(frame)) return;
  const bool is_end =
      frame.type == mqtt::PacketType::kPuback || frame.type == mqtt::PacketType::kPubcomp;
  if (is_end && frame.body.size() >= 2) {
    const auto reason = frame.body.size() > 2 ? static_cast<mqtt::ReasonCode>(frame.body[2])
                                              : mqtt::ReasonCode::kSuccess;
    return owner_.OnPuback(PacketIdOf(frame), reason);
  }
  if (frame.type == mqtt::PacketType::kPublish) return OnPublish(frame);
  if (frame.type != mqtt::PacketType::kPingresp) OnControl(frame);
}

void MqttClient::OnPublish(const mqtt::Frame& frame) {
  mqtt::PublishView message;
  if (const auto error = mqtt::DecodePublishView(frame, ClientOptions(version_), &message)) {
    return Fail(fmt::format("bad PUBLISH from the server: {}", error.what));
  }
  const uint32_t generation = generation_;
  owner_.OnMessage(message);
  if (generation != generation_ || message.qos == mqtt::Qos::kAtMostOnce) return;
  Acknowledge(message.qos == mqtt::Qos::kAtLeastOnce ? mqtt::PacketType::kPuback
                                                     : mqtt::PacketType::kPubrec,
              message.packet_id);
}

void MqttClient::OnControl(const mqtt::Frame& frame) {
  mqtt::Packet packet;
  if (const auto error = mqtt::Decode(frame, ClientOptions(version_), &packet)) {
    return Fail(fmt::format("bad {} from the server: {}", Name(frame.type), error.what));
  }
  if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
    if (mqtt::IsFailure(connack->reason)) {
      return Fail(fmt::format("refused: {}", Name(connack->reason)));
    }
    connected_ = true;
    loop_.Cancel(&deadline_);
    return owner_.OnConnected(*connack);
  }
  if (const auto* suback = std::get_if<mqtt::Suback>(&packet)) return owner_.OnSuback(*suback);
  if (const auto* disconnect = std::get_if<mqtt::Disconnect>(&packet)) {
    return Fail(fmt::format("disconnected: {}", Name(disconnect->reason)));
  }
}

void MqttClient::Fail(std::string_view why) {
  Abort();
  owner_.OnClosed(why);
}

void MqttClient::OnEnd(std::string_view why) {
  Abort();
  owner_.OnClosed(why);
}

}  // namespace homeport::fleet
