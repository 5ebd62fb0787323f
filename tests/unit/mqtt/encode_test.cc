#include "libs/mqtt/encode.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "tests/unit/mqtt/exact_block.h"
#include "tests/unit/mqtt/random_packets.h"
#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

struct Row {
  const char* name;
  Packet packet;
  Version version;
  const char* hex;
};

Properties WithReason(std::string_view text) {
  Properties properties;
  properties.reason_string = text;
  return properties;
}

Connect FullConnect() {
  Connect packet;
  packet.clean_start = false;
  packet.keep_alive_s = 60;
  packet.client_id = "d1";
  packet.user_name = "u";
  packet.password = "p";
  packet.will = Will{"w", "x", Qos::kAtLeastOnce, true, {}};
  return packet;
}

const std::vector<Row>& Rows() {
  using R = ReasonCode;
  constexpr Version k3 = Version::k311;
  constexpr Version k5 = Version::k5;
  static const std::vector<Row> rows = {
      {"CONNECT", FullConnect(), k3,
       "10 1A 0004 4D515454 04 EC 003C 0002 6431 0001 77 0001 78 0001 75 0001 70"},
      {"CONNACK", Connack{true, R::kSuccess, {}}, k3, "20 02 01 00"},
      {"CONNACK not authorized", Connack{false, R::kNotAuthorized, {}}, k3, "20 02 00 05"},
      {"CONNACK not authorized", Connack{false, R::kNotAuthorized, {}}, k5, "20 03 00 87 00"},
      {"CONNACK banned", Connack{false, R::kBanned, {}}, k3, "20 02 00 05"},
      {"PUBLISH", Publish{"a", "x", 0, Qos::kAtMostOnce, false, true, {}}, k3, "31 04 0001 61 78"},
      {"PUBLISH", Publish{"a", "x", 9, Qos::kExactlyOnce, true, false, {}}, k5,
       "3C 07 0001 61 0009 00 78"},
      {"PUBACK", Puback{1, R::kSuccess, {}}, k3, "40 02 0001"},
      {"PUBACK", Puback{1, R::kSuccess, {}}, k5, "40 02 0001"},
      {"PUBACK, reason only", Puback{1, R::kQuotaExceeded, {}}, k5, "40 03 0001 97"},
      {"PUBACK, reason in 3.1.1", Puback{1, R::kQuotaExceeded, {}}, k3, "40 02 0001"},
      {"PUBACK, properties", Puback{1, R::kSuccess, WithReason("x")}, k5,
       "40 08 0001 00 04 1F 0001 78"},
      {"PUBREC", Pubrec{1, R::kSuccess, {}}, k5, "50 02 0001"},
      {"PUBREL", Pubrel{1, R::kSuccess, {}}, k5, "62 02 0001"},
      {"PUBCOMP", Pubcomp{1, R::kPacketIdentifierNotFound, {}}, k5, "70 03 0001 92"},
      {"SUBSCRIBE", Subscribe{1, {{"a", Qos::kAtLeastOnce, false, false, {}}}, {}}, k3,
       "82 06 0001 0001 61 01"},
      {"SUBSCRIBE",
       Subscribe{1, {{"a", Qos::kExactlyOnce, true, true, RetainHandling::kDoNotSend}}, {}}, k5,
       "82 07 0001 00 0001 61 2E"},
      {"SUBACK", Suback{1, {R::kGrantedQos1, R::kNotAuthorized}, {}}, k3, "90 04 0001 01 80"},
      {"SUBACK", Suback{1, {R::kGrantedQos1, R::kNotAuthorized}, {}}, k5, "90 05 0001 00 01 87"},
      {"UNSUBSCRIBE", Unsubscribe{1, {"a"}, {}}, k3, "A2 05 0001 0001 61"},
      {"UNSUBACK", Unsuback{1, {R::kSuccess}, {}}, k3, "B0 02 0001"},
      {"UNSUBACK", Unsuback{1, {R::kNoSubscriptionExisted}, {}}, k5, "B0 04 0001 00 11"},
      {"PINGREQ", Pingreq{}, k3, "C0 00"},
      {"PINGRESP", Pingresp{}, k5, "D0 00"},
      {"DISCONNECT", Disconnect{}, k3, "E0 00"},
      {"DISCONNECT", Disconnect{}, k5, "E0 00"},
      {"DISCONNECT, reason only", Disconnect{R::kServerShuttingDown, {}}, k5, "E0 01 8B"},
      {"DISCONNECT, properties", Disconnect{R::kSuccess, WithReason("x")}, k5,
       "E0 06 00 04 1F 0001 78"},
      {"AUTH", Auth{}, k5, "F0 00"},
      {"AUTH, reason only", Auth{R::kReAuthenticate, {}}, k5, "F0 02 19 00"},
  };
  return rows;
}

TEST_CASE("packets as their bytes, in the shortest form") {
  for (const Row& row : Rows()) {
    INFO(row.name << " in version " << int(row.version));
    std::string bytes;
    Encode(row.packet, row.version, &bytes);
    CHECK(bytes == FromHex(row.hex));
  }
}

TEST_CASE("acknowledgements without a string") {
  struct Ack {
    PacketType type;
    const char* hex;
  };
  for (const Ack& row :
       {Ack{PacketType::kPuback, "40 02 1234"}, Ack{PacketType::kPubrec, "50 02 1234"},
        Ack{PacketType::kPubrel, "62 02 1234"}, Ack{PacketType::kPubcomp, "70 02 1234"}}) {
    char out[4];
    EncodeAck(row.type, 0x1234, out);
    CHECK(std::string(out, 4) == FromHex(row.hex));
  }
  char out[4];
  EncodePuback(0xFFFF, out);
  CHECK(std::string(out, 4) == FromHex("40 02 FFFF"));
}

TEST_CASE("the PUBLISH header encoder writes what EncodePublish does") {
  RandomPackets packets(3);
  for (int i = 0; i < 1'000; ++i) {
    const Version version = i % 2 == 0 ? Version::k311 : Version::k5;
    const Packet packet = packets.Next(PacketType::kPublish, version);
    const Publish& publish = std::get<Publish>(packet);
    std::string expected;
    EncodePublish(publish, version, &expected);

    std::string properties;
    EncodeProperties(publish.properties, PlaceOf(PacketType::kPublish), &properties);
    const size_t size = PropertyBytes(publish.properties, PlaceOf(PacketType::kPublish));
    PublishHeader header;
    header.version = version;
    header.topic = publish.topic;
    header.property_bytes = std::string_view(properties).substr(properties.size() - size);
    header.payload_bytes = publish.payload.size();
    header.packet_id = publish.packet_id;
    header.qos = publish.qos;
    header.dup = publish.dup;
    header.retain = publish.retain;
    const auto out = std::make_unique<char[]>(PublishHeaderBytes(header));
    const size_t written = EncodePublishHeader(header, out.get());
    REQUIRE(written == PublishHeaderBytes(header));
    REQUIRE(std::string(out.get(), written).append(publish.payload) == expected);
  }
}

TEST_CASE("payloads at the boundaries of the remaining length") {
  // Topic "a" takes 3 bytes of the body.
  for (size_t body : {127u, 128u, 16'383u, 16'384u, 2'097'151u, 2'097'152u}) {
    INFO("remaining length " << body);
    const std::string payload(body - 3, 'x');
    Publish publish;
    publish.topic = "a";
    publish.payload = payload;
    std::string bytes;
    EncodePublish(publish, Version::k311, &bytes);
    CHECK(bytes.size() == 1 + VarintBytes(static_cast<uint32_t>(body)) + body);
    const FrameResult result = DecodeFrame(bytes, kRemainingLengthMax);
    REQUIRE(result.kind == FrameResult::Kind::kFrame);
    CHECK(result.frame.body.size() == body);
  }
}

}  // namespace
}  // namespace homeport::mqtt
