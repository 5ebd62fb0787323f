#include "libs/mqtt/publish_view.h"

#include <catch2/catch.hpp>

#include "libs/mqtt/encode.h"
#include "tests/unit/mqtt/exact_block.h"
#include "tests/unit/mqtt/random_packets.h"
#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

Frame FrameOf(std::string_view bytes) {
  const FrameResult result = DecodeFrame(bytes, Limits{}.packet_bytes_max);
  REQUIRE(result.kind == FrameResult::Kind::kFrame);
  return result.frame;
}

TEST_CASE("every field of a version 5 PUBLISH") {
  const ExactBlock bytes(
      FromHex("3B 19"
              "0003 612F62"         // topic a/b
              "000A"                // packet identifier
              "0F"                  // property length
              "02 0000003C"         // message expiry
              "23 0005"             // topic alias
              "26 0001 6B 0001 76"  // user property
              "6869"));             // payload
  PublishView view;
  const DecodeOptions options{Version::k5, Side::kServer, Limits{}};
  REQUIRE(DecodePublishView(FrameOf(bytes.view()), options, &view).ok());
  CHECK(view.topic == "a/b");
  CHECK(view.payload == "hi");
  CHECK(view.packet_id == 10);
  CHECK(view.qos == Qos::kAtLeastOnce);
  CHECK(view.dup);
  CHECK(view.retain);
  CHECK(view.topic_alias == 5);
  CHECK(view.message_expiry_s == 60u);
  CHECK(view.property_bytes.size() == 15);
  const Properties properties = DecodeAllProperties(view);
  CHECK(properties.topic_alias == 5);
  CHECK(properties.user_properties == std::vector<UserProperty>{{"k", "v"}});
  // The view borrows: its topic lies in the frame.
  CHECK(view.topic.data() == bytes.view().data() + 4);
}

TEST_CASE("a 3.1.1 PUBLISH has no properties") {
  const ExactBlock bytes(FromHex("30 07 0003 612F62 0000"));
  PublishView view;
  const DecodeOptions options{Version::k311, Side::kServer, Limits{}};
  REQUIRE(DecodePublishView(FrameOf(bytes.view()), options, &view).ok());
  CHECK(view.payload == FromHex("0000"));
  CHECK(view.property_bytes.empty());
  CHECK(view.topic_alias == 0);
  CHECK_FALSE(view.message_expiry_s);
  CHECK(view.packet_id == 0);
}

TEST_CASE("the view and the packet agree on every wire case") {
  for (const WireCase& wire : LoadWireCases()) {
    const FrameResult result = DecodeFrame(wire.bytes, Limits{}.packet_bytes_max);
    if (result.kind != FrameResult::Kind::kFrame) continue;
    if (result.frame.type != PacketType::kPublish) continue;
    INFO(wire.file << ": " << wire.name);
    const DecodeOptions options{wire.version, wire.side, Limits{}};
    PublishView view;
    Packet packet;
    const DecodeError by_view = DecodePublishView(result.frame, options, &view);
    const DecodeError by_packet = Decode(result.frame, options, &packet);
    CHECK(by_view.reason == by_packet.reason);
    if (by_packet) continue;
    const Publish& publish = std::get<Publish>(packet);
    CHECK(view.topic == publish.topic);
    CHECK(view.payload == publish.payload);
    CHECK(view.topic_alias == publish.properties.topic_alias.value_or(0));
    CHECK(view.message_expiry_s == publish.properties.message_expiry_s);
  }
}

TEST_CASE("forwarded properties keep their order and lose what is not forwarded") {
  constexpr PropertyPlace kPublish = PlaceOf(PacketType::kPublish);
  std::string out;
  AppendForwardedProperties(FromHex("26 0001 61 0000"  // user property a
                                    "23 0005"          // topic alias
                                    "01 01"            // payload format
                                    "0B 8001"          // subscription identifier
                                    "02 0000003C"      // message expiry
                                    "26 0001 62 0000"  // user property b
                                    "03 0001 74"),     // content type
                            kPublish, &out);
  CHECK(out == FromHex("26 0001 61 0000 01 01 26 0001 62 0000 03 0001 74"));
  AppendForwardedProperties("", kPublish, &out);
  CHECK(out.size() == 18);
}

TEST_CASE("forwarded properties of a will") {
  std::string out;
  AppendForwardedProperties(FromHex("03 0001 74"       // content type
                                    "18 00000005"      // will delay
                                    "26 0001 61 0000"  // user property a
                                    "02 0000003C"      // message expiry
                                    "01 01"),          // payload format
                            PropertyPlace::kWill, &out);
  CHECK(out == FromHex("03 0001 74 26 0001 61 0000 01 01"));
}

}  // namespace
}  // namespace homeport::mqtt
