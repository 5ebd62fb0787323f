#include "tests/unit/mqtt/random_packets.h"

#include "libs/base/check.h"

namespace homeport::mqtt {

std::string_view RandomPackets::Text() {
  static constexpr std::string_view kPieces[] = {
      "a", "Z", " ", "~", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x92\xA1"};
  std::string text;
  const uint32_t count = Number(0, 9) == 0 ? Number(0, 300) : Number(0, 12);
  for (uint32_t i = 0; i < count; ++i) text += kPieces[Number(0, std::size(kPieces) - 1)];
  return Keep(std::move(text));
}

std::string_view RandomPackets::Bytes() {
  std::string bytes;
  const uint32_t count = Number(0, 9) == 0 ? Number(0, 20'000) : Number(0, 20);
  for (uint32_t i = 0; i < count; ++i) bytes += static_cast<char>(Number(0, 255));
  return Keep(std::move(bytes));
}

std::string_view RandomPackets::Topic() {
  std::string topic(Chance() ? "$" : "t");
  const uint32_t levels = Number(0, 10);
  for (uint32_t i = 0; i < levels; ++i) topic += Chance() ? "/level" : "/";
  return Keep(std::move(topic));
}

std::string_view RandomPackets::Filter() {
  std::string filter(Chance() ? "+" : "f");
  const uint32_t levels = Number(0, 6);
  for (uint32_t i = 0; i < levels; ++i) filter += Chance() ? "/x" : "/+";
  if (Chance()) filter += "/#";
  return Keep(std::move(filter));
}

ReasonCode RandomPackets::Reason(PacketType type, Version version) {
  while (true) {
    const auto code = static_cast<ReasonCode>(Number(0, 255));
    if (!IsAllowed(code, type)) continue;
    if (version == Version::k5) return code;
    if (type == PacketType::kConnack) {
      return FromConnackReturnCode(static_cast<uint8_t>(Number(0, 5)));
    }
    if (type != PacketType::kSuback) return ReasonCode::kSuccess;
    if (!IsFailure(code) || code == ReasonCode::kUnspecifiedError) return code;
  }
}

Properties RandomPackets::AnyProperties(PropertyPlace place, Version version) {
  Properties all;
  if (version == Version::k311) return all;
  const auto number = [this] { return Number(1, 70'000); };
  const auto short_number = [this] { return static_cast<uint16_t>(Number(1, 65'535)); };
  if (Chance()) all.payload_is_utf8 = Chance();
  if (Chance()) all.message_expiry_s = number();
  if (Chance()) all.content_type = Text();
  if (Chance()) all.response_topic = Topic();
  if (Chance()) all.correlation_data = Bytes();
  if (Chance()) all.session_expiry_s = number();
  if (Chance()) all.assigned_client_id = Text();
  if (Chance()) all.server_keep_alive_s = short_number();
  if (place == PlaceOf(PacketType::kAuth) || Chance()) all.authentication_method = Text();
  if (all.authentication_method && Chance()) all.authentication_data = Bytes();
  if (Chance()) all.request_problem_information = Chance();
  if (Chance()) all.will_delay_s = number();
  if (Chance()) all.request_response_information = Chance();
  if (Chance()) all.response_information = Text();
  if (Chance() && place != PlaceOf(PacketType::kDisconnect)) all.server_reference = Text();
  if (Chance()) all.reason_string = Text();
  if (Chance()) all.receive_max = short_number();
  if (Chance()) all.topic_alias_max = short_number();
  if (Chance()) all.topic_alias = short_number();
  if (Chance()) all.qos_max = static_cast<uint8_t>(Number(0, 1));
  if (Chance()) all.retain_available = Chance();
  if (Chance()) all.packet_bytes_max = number();
  if (Chance()) all.wildcard_subscription_available = Chance();
  if (Chance()) all.subscription_id_available = Chance();
  if (Chance()) all.shared_subscription_available = Chance();
  if (Chance())
    all.subscription_ids.assign(place == PlaceOf(PacketType::kPublish) ? 3 : 1, number());
  for (uint32_t i = Number(0, 3); i > 0; --i) all.user_properties.emplace_back(Text(), Text());

  // Keep what the place allows: encode drops the rest.
  std::string list;
  EncodeProperties(all, place, &list);
  const std::string_view kept = Keep(std::move(list));
  const size_t length_bytes = VarintBytes(static_cast<uint32_t>(PropertyBytes(all, place)));
  Properties properties;
  const DecodeError error =
      DecodeProperties(kept.substr(length_bytes), place, Limits{}, &properties);
  HP_CHECK(error.ok());
  return properties;
}

Connect RandomPackets::AnyConnect(Version version) {
  Connect packet;
  packet.version = version;
  packet.clean_start = Chance();
  packet.keep_alive_s = static_cast<uint16_t>(Number(0, 65'535));
  packet.client_id = Text();
  packet.properties = AnyProperties(PlaceOf(PacketType::kConnect), version);
  if (Chance()) packet.user_name = Text();
  if ((packet.user_name || version == Version::k5) && Chance()) packet.password = Bytes();
  if (Chance()) {
    packet.will =
        Will{Topic(), Bytes(), AnyQos(), Chance(), AnyProperties(PropertyPlace::kWill, version)};
  }
  return packet;
}

Publish RandomPackets::AnyPublish(Version version) {
  Publish packet;
  packet.topic = Topic();
  packet.payload = Bytes();
  packet.qos = AnyQos();
  packet.retain = Chance();
  if (packet.qos != Qos::kAtMostOnce) {
    packet.packet_id = PacketId();
    packet.dup = Chance();
  }
  packet.properties = AnyProperties(PlaceOf(PacketType::kPublish), version);
  if (packet.properties.topic_alias && Chance()) packet.topic = "";
  return packet;
}

Subscribe RandomPackets::AnySubscribe(Version version) {
  Subscribe packet;
  packet.packet_id = PacketId();
  packet.properties = AnyProperties(PlaceOf(PacketType::kSubscribe), version);
  for (uint32_t i = Number(1, 5); i > 0; --i) {
    Subscription& subscription = packet.subscriptions.emplace_back();
    subscription.filter = Filter();
    subscription.qos = AnyQos();
    if (version == Version::k311) continue;
    subscription.no_local = Chance();
    subscription.retain_as_published = Chance();
    subscription.retain_handling = static_cast<RetainHandling>(Number(0, 2));
  }
  return packet;
}

template <typename T>
T RandomPackets::Acknowledge(PacketType type, Version version) {
  T packet;
  packet.packet_id = PacketId();
  packet.reason = Reason(type, version);
  if (Chance()) packet.properties = AnyProperties(PlaceOf(type), version);
  return packet;
}

template <typename T>
T RandomPackets::AnswerFilters(PacketType type, Version version) {
  T packet;
  packet.packet_id = PacketId();
  packet.properties = AnyProperties(PlaceOf(type), version);
  if (type == PacketType::kUnsuback && version == Version::k311) return packet;
  for (uint32_t i = Number(1, 5); i > 0; --i) packet.reasons.push_back(Reason(type, version));
  return packet;
}

Packet RandomPackets::Next(PacketType type, Version version) {
  switch (type) {
    case PacketType::kConnect:
      return AnyConnect(version);
    case PacketType::kConnack: {
      const ReasonCode reason = Reason(type, version);
      return Connack{reason == ReasonCode::kSuccess && Chance(), reason,
                     AnyProperties(PlaceOf(type), version)};
    }
    case PacketType::kPublish:
      return AnyPublish(version);
    case PacketType::kPuback:
      return Acknowledge<Puback>(type, version);
    case PacketType::kPubrec:
      return Acknowledge<Pubrec>(type, version);
    case PacketType::kPubrel:
      return Acknowledge<Pubrel>(type, version);
    case PacketType::kPubcomp:
      return Acknowledge<Pubcomp>(type, version);
    case PacketType::kSubscribe:
      return AnySubscribe(version);
    case PacketType::kSuback:
      return AnswerFilters<Suback>(type, version);
    case PacketType::kUnsubscribe:
      return Unsubscribe{PacketId(), {Filter(), Filter()}, AnyProperties(PlaceOf(type), version)};
    case PacketType::kUnsuback:
      return AnswerFilters<Unsuback>(type, version);
    case PacketType::kPingreq:
      return Pingreq{};
    case PacketType::kPingresp:
      return Pingresp{};
    case PacketType::kDisconnect:
      return Disconnect{Reason(type, version), AnyProperties(PlaceOf(type), version)};
    case PacketType::kAuth:
      return Auth{Reason(type, version), AnyProperties(PlaceOf(type), version)};
  }
  return Pingreq{};
}

}  // namespace homeport::mqtt
