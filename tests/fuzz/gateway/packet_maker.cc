#include "tests/fuzz/gateway/packet_maker.h"

#include <array>
#include <cstring>

#include "libs/base/strings.h"
#include "libs/mqtt/encode.h"
#include "libs/mqtt/topic.h"

namespace homeport::testing {

using mqtt::Qos;
using mqtt::Version;

namespace {

constexpr char kTagMark = '\x01';
constexpr char kRetainedTagMark = '\x02';
constexpr std::array<uint32_t, 6> kExpiries = {0, 0, 30, 600, 4'000'000, 0xffff'ffff};
constexpr std::array<uint16_t, 6> kReceiveMaxima = {0, 1, 2, 3, 100, 65'535};  // 0: left out
constexpr std::array<uint32_t, 8> kPacketSizes = {0, 1, 4, 20, 40, 60, 100, 100'000};
constexpr std::array<uint16_t, 4> kTopicAliasMaxima = {0, 1, 2, 65'535};
constexpr std::array<uint16_t, 4> kKeepAlives = {0, 1, 60, 65'535};
constexpr std::array<uint32_t, 4> kWillDelays = {0, 1, 60, 0xffff'ffff};
constexpr std::array<size_t, 8> kPayloadSizes = {0, 0, 1, 10, 30, 60, 90, 4000};
constexpr std::array<uint16_t, 8> kPacketIds = {1, 2, 3, 4, 0x7fff, 0x8000, 0x8001, 0xffff};

Qos QosOf(uint8_t bits) { return static_cast<Qos>((bits & 3) % 3); }

}  // namespace

PacketMaker::PacketMaker(uint64_t run) : run_(run) {
  const std::string root = fmt::format("r{}", run);
  for (int i = 0; i < 4; ++i) client_ids_.push_back(fmt::format("fuzz-{}-{}", run, i));
  const std::string& device = client_ids_.front();
  topics_ = {root + "/a",
             root + "/b",
             root + "/a/b",
             root,
             root + "/",
             "/" + root,
             "$SYS/" + root,
             "device/" + device + "/up/properties",
             "device/" + device + "/up/telemetry/t",
             "device/" + device + "/up/reply/pod.1",
             "device/" + device + "/down/get/1",
             "$aws/things/" + device + "/shadow/update",
             "$aws/things/" + device + "/shadow/name/n/get",
             "$aws/certificates/create/json",
             root + "/" + std::string(200, 'x')};
  filters_ = {root + "/a",
              root + "/#",
              root + "/+",
              root + "/+/b",
              "#",
              "+/a",
              "$share/g/" + root + "/a",
              "$share/g/" + root + "/#",
              "$share/h/" + root + "/+",
              "$SYS/#",
              "$aws/events/#",
              "device/" + device + "/down/#",
              "$aws/things/" + device + "/shadow/#",
              "$aws/things/" + device + "/shadow/update/delta",
              "test/nosubscribe",
              "$share/g",
              root + "/#/b"};
}

std::optional<Tag> PacketMaker::TagOf(std::string_view payload) {
  Tag tag;
  if (payload.size() < tag.size()) return std::nullopt;
  std::memcpy(tag.data(), payload.data(), tag.size());
  const bool is_tag = tag[0] == kTagMark || tag[0] == kRetainedTagMark;
  return is_tag ? std::optional(tag) : std::nullopt;
}

bool PacketMaker::IsRetained(const Tag& tag) { return tag[0] == kRetainedTagMark; }

std::string PacketMaker::Payload(ScriptInput& input, bool retain) {
  const size_t more = input.OneOf(kPayloadSizes);
  std::string payload = fmt::format("{}{:011x}", retain ? kRetainedTagMark : kTagMark,
                                    (run_ << 16 | ++messages_) & 0xfff'ffff'ffff);
  payload.append(more, 'p');
  return payload;
}

void PacketMaker::AddWill(ScriptInput& input, uint8_t flags, mqtt::Connect* connect,
                          std::string* payload) {
  mqtt::Will will;
  will.topic = topics_[input.Below(topics_.size())];
  will.qos = QosOf(flags >> 5);
  will.retain = (flags & 0x80) != 0;
  *payload = Payload(input, will.retain);
  will.payload = *payload;
  will.properties.will_delay_s = input.OneOf(kWillDelays);
  connect->will = will;
}

PacketMaker::Made PacketMaker::Connect(ScriptInput& input, std::string* client_id) {
  const uint8_t flags = input.Byte();
  mqtt::Connect connect;
  constexpr std::array<Version, 4> kVersions = {Version::k5, Version::k5, Version::k311,
                                                Version::k311};
  connect.version = kVersions[flags & 3];
  connect.is_31 = (flags & 3) == 3;
  connect.clean_start = (flags & 4) != 0;
  const size_t id = input.Below(client_ids_.size() + 1);
  *client_id = id < client_ids_.size() ? client_ids_[id] : "";
  connect.client_id = *client_id;
  // A session that the server has named would not be found again to be ended.
  const uint32_t expiry_s = input.OneOf(kExpiries) * (client_id->empty() ? 0 : 1);
  if (expiry_s != 0) connect.properties.session_expiry_s = expiry_s;
  if (const uint16_t most = input.OneOf(kReceiveMaxima)) connect.properties.receive_max = most;
  if (const uint32_t most = input.OneOf(kPacketSizes)) connect.properties.packet_bytes_max = most;
  connect.properties.topic_alias_max = input.OneOf(kTopicAliasMaxima);
  const uint8_t more = input.Byte();
  connect.keep_alive_s = kKeepAlives[more & 3];
  if ((more & 4) != 0) connect.properties.request_problem_information = (more & 8) != 0;
  if ((more & 0xf0) == 0xf0) connect.properties.authentication_method = "SCRAM-SHA-256";
  std::string will_payload;
  if ((flags & 0x18) == 0x18) AddWill(input, flags, &connect, &will_payload);
  Made made;
  mqtt::EncodeConnect(connect, &made.bytes);
  made.keeps_session = connect.version == Version::k5 ? expiry_s != 0 : !connect.clean_start;
  made.retains = connect.will && connect.will->retain;
  return made;
}

PacketMaker::Made PacketMaker::Publish(ScriptInput& input, Version version) {
  const uint8_t flags = input.Byte();
  mqtt::Publish publish;
  publish.topic = topics_[input.Below(topics_.size())];
  publish.qos = QosOf(flags);
  publish.retain = (flags & 4) != 0;
  publish.dup = (flags & 8) != 0 && publish.qos != Qos::kAtMostOnce;
  if (publish.qos != Qos::kAtMostOnce) publish.packet_id = input.OneOf(kPacketIds);
  // An empty one ends what is retained.
  const std::string payload = (flags & 0x10) != 0 ? "" : Payload(input, publish.retain);
  publish.payload = payload;
  if ((flags & 0x20) != 0 && version == Version::k5) {
    const uint8_t more = input.Byte();
    if ((more & 3) != 0) publish.properties.topic_alias = static_cast<uint16_t>(more & 3);
    if ((more & 4) != 0 && (more & 3) != 0) publish.topic = "";
    if ((more & 8) != 0) publish.properties.message_expiry_s = more >> 4;
    if ((more & 0x10) != 0) publish.properties.user_properties = {{"name", "value"}};
    if ((more & 0x20) != 0) publish.properties.response_topic = "answer/here";
    if ((more & 0x40) != 0) publish.properties.correlation_data = "correlation";
  }
  Made made;
  mqtt::EncodePublish(publish, version, &made.bytes);
  made.retains = publish.retain;
  return made;
}

std::string PacketMaker::Subscribe(ScriptInput& input, Version version) const {
  mqtt::Subscribe subscribe;
  subscribe.packet_id = input.OneOf(kPacketIds);
  const uint8_t head = input.Byte();
  for (int i = 0; i <= (head & 3); ++i) {
    mqtt::Subscription subscription;
    subscription.filter = filters_[input.Below(filters_.size())];
    const uint8_t options = input.Byte();
    subscription.qos = QosOf(options);
    if (version == Version::k5) {
      subscription.no_local = (options & 4) != 0 && !mqtt::IsSharedFilter(subscription.filter);
      subscription.retain_as_published = (options & 8) != 0;
      subscription.retain_handling = static_cast<mqtt::RetainHandling>((options >> 4) % 3);
    }
    subscribe.subscriptions.push_back(subscription);
  }
  if ((head & 4) != 0) subscribe.properties.subscription_ids = {1u + (head >> 3)};
  std::string bytes;
  mqtt::EncodeSubscribe(subscribe, version, &bytes);
  return bytes;
}

std::string PacketMaker::Unsubscribe(ScriptInput& input, Version version) const {
  mqtt::Unsubscribe unsubscribe;
  unsubscribe.packet_id = input.OneOf(kPacketIds);
  const size_t count = 1 + input.Below(2);
  for (size_t i = 0; i < count; ++i) {
    unsubscribe.filters.emplace_back(filters_[input.Below(filters_.size())]);
  }
  std::string bytes;
  mqtt::EncodeUnsubscribe(unsubscribe, version, &bytes);
  return bytes;
}

std::string PacketMaker::Acknowledgement(ScriptInput& input, Version version) {
  const uint8_t kind = input.Byte();
  mqtt::Puback answer;
  answer.packet_id = input.OneOf(kPacketIds);
  if ((kind & 4) != 0) answer.reason = mqtt::ReasonCode::kUnspecifiedError;
  std::string bytes;
  switch (kind & 3) {
    case 0:
      mqtt::EncodePuback(answer, version, &bytes);
      break;
    case 1:
      mqtt::EncodePubrec({answer.packet_id, answer.reason, {}}, version, &bytes);
      break;
    case 2:
      mqtt::EncodePubrel({answer.packet_id, {}, {}}, version, &bytes);
      break;
    default:
      mqtt::EncodePubcomp({answer.packet_id, {}, {}}, version, &bytes);
  }
  return bytes;
}

std::string PacketMaker::Answer(ScriptInput& input, const Conversation& conversation) {
  const auto& in_flight = conversation.in_flight();
  if (in_flight.empty()) return "";
  const Conversation::InFlight& message = in_flight[input.Below(in_flight.size())];
  mqtt::PacketType type = mqtt::PacketType::kPuback;
  if (message.qos == Qos::kExactlyOnce) {
    type = message.received ? mqtt::PacketType::kPubcomp : mqtt::PacketType::kPubrec;
  }
  char bytes[4];
  mqtt::EncodeAck(type, message.packet_id, bytes);
  return {bytes, sizeof bytes};
}

std::string PacketMaker::Release(ScriptInput& input, const Conversation& conversation) {
  const ClientMemory* memory = conversation.memory();
  if (memory == nullptr || memory->published.empty()) return "";
  auto at = memory->published.begin();
  std::advance(at, input.Below(memory->published.size()));
  char bytes[4];
  mqtt::EncodeAck(mqtt::PacketType::kPubrel, at->first, bytes);
  return {bytes, sizeof bytes};
}

std::string PacketMaker::Auth(ScriptInput& input) {
  mqtt::Auth auth;
  auth.reason = (input.Byte() & 1) != 0 ? mqtt::ReasonCode::kReAuthenticate
                                        : mqtt::ReasonCode::kContinueAuthentication;
  auth.properties.authentication_method = "SCRAM-SHA-256";
  std::string bytes;
  mqtt::EncodeAuth(auth, &bytes);
  return bytes;
}

std::string PacketMaker::Disconnect(ScriptInput& input, Version version) {
  mqtt::Disconnect disconnect;
  const uint8_t flags = input.Byte();
  if ((flags & 1) != 0) disconnect.reason = mqtt::ReasonCode::kDisconnectWithWill;
  if ((flags & 2) != 0) disconnect.properties.session_expiry_s = input.OneOf(kExpiries);
  std::string bytes;
  mqtt::EncodeDisconnect(disconnect, version, &bytes);
  return bytes;
}

std::string PacketMaker::EndSession(std::string_view client_id) {
  mqtt::Connect connect;
  connect.version = Version::k5;
  connect.clean_start = true;
  connect.client_id = client_id;
  std::string bytes;
  mqtt::EncodeConnect(connect, &bytes);
  mqtt::EncodeDisconnect({}, Version::k5, &bytes);
  return bytes;
}

}  // namespace homeport::testing
