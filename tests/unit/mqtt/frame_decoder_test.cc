#include "libs/mqtt/frame_decoder.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/mqtt/limits.h"
#include "libs/mqtt/wire.h"
#include "tests/unit/mqtt/exact_block.h"

namespace homeport::mqtt {
namespace {

using Kind = FrameResult::Kind;

std::string PublishOf(uint32_t body_bytes) {
  std::string packet = "\x30";
  Writer(&packet).Varint(body_bytes);
  return packet.append(body_bytes, 'x');
}

TEST_CASE("remaining length at each boundary of its size") {
  for (uint32_t body : {0u, 1u, 127u, 128u, 16'383u, 16'384u, 2'097'151u, 2'097'152u}) {
    INFO("remaining length " << body);
    const ExactBlock packet(PublishOf(body));
    const FrameResult whole = DecodeFrame(packet.view(), kRemainingLengthMax);
    REQUIRE(whole.kind == Kind::kFrame);
    CHECK(whole.frame.type == PacketType::kPublish);
    CHECK(whole.frame.body.size() == body);
    CHECK(whole.frame.total_bytes == packet.view().size());
    CHECK(whole.frame.body.data() + body == packet.view().data() + packet.view().size());
    if (body == 0) continue;
    const FrameResult cut =
        DecodeFrame(packet.view().substr(0, packet.view().size() - 1), kRemainingLengthMax);
    REQUIRE(cut.kind == Kind::kNeedMore);
    CHECK(cut.total_bytes == packet.view().size());
  }
}

TEST_CASE("the largest packet is announced by its header alone") {
  const FrameResult result = DecodeFrame("\x30\xFF\xFF\xFF\x7F", UINT32_MAX);
  REQUIRE(result.kind == Kind::kNeedMore);
  CHECK(result.total_bytes == 5u + kRemainingLengthMax);
}

TEST_CASE("the limit counts the whole packet and is checked before the body arrives") {
  struct Row {
    uint32_t limit;
    Kind kind;
  };
  const std::string header("\x30\x64", 2);  // 100 bytes follow
  for (const Row& row : {Row{101, Kind::kError}, Row{102, Kind::kNeedMore}}) {
    INFO("limit " << row.limit);
    const FrameResult result = DecodeFrame(header, row.limit);
    CHECK(result.kind == row.kind);
    if (row.kind == Kind::kError) CHECK(result.error.reason == ReasonCode::kPacketTooLarge);
  }
  CHECK(DecodeFrame(PublishOf(100), 102).kind == Kind::kFrame);
}

TEST_CASE("flags reach the frame") {
  const FrameResult result = DecodeFrame(std::string_view("\x3B\x00", 2), 100);
  REQUIRE(result.kind == Kind::kFrame);
  CHECK(result.frame.flags == 0x0B);
}

TEST_CASE(
    "MQTT 3.1 lets clients mark what they send again, and answers with flags it does not use") {
  for (const int first : {0x6A, 0x8A, 0xAA, 0x4A, 0x5A, 0x7A}) {
    INFO("first byte " << first);
    const ExactBlock bytes(std::string(1, static_cast<char>(first)) + '\0');
    CHECK(DecodeFrame(bytes.view(), 100).kind == Kind::kError);
    const FrameResult result = DecodeFrame(bytes.view(), 100, HeaderRules::k31);
    CHECK(result.kind == Kind::kFrame);
    CHECK(result.frame.flags == 0x0A);
  }
  for (const int first : {0x60, 0x68, 0x8B, 0xA8, 0xC8, 0x38}) {
    INFO("first byte " << first);
    const ExactBlock bytes(std::string(1, static_cast<char>(first)) + '\0');
    CHECK(DecodeFrame(bytes.view(), 100, HeaderRules::k31).kind == Kind::kError);
  }
}

// Of the 256 first bytes only those of table 2-2 and the legal PUBLISH flags begin a packet.
TEST_CASE("first bytes") {
  const std::string valid =
      "\x10\x20\x30\x31\x32\x33\x34\x35\x3A\x3B\x3C\x3D\x40\x50\x62\x70\x82\x90\xA2\xB0\xC0\xD0"
      "\xE0\xF0";
  for (int first = 0; first < 256; ++first) {
    INFO("first byte " << first);
    const ExactBlock bytes(std::string(1, static_cast<char>(first)));
    const FrameResult result = DecodeFrame(bytes.view(), 100);
    const bool expected = valid.find(static_cast<char>(first)) != std::string::npos;
    CHECK((result.kind == Kind::kNeedMore) == expected);
    if (!expected) CHECK(result.error.reason == ReasonCode::kMalformedPacket);
  }
}

}  // namespace
}  // namespace homeport::mqtt
