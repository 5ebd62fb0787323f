#include <catch2/catch.hpp>
#include <random>

#include "libs/mqtt/encode.h"
#include "tests/unit/mqtt/exact_block.h"
#include "tests/unit/mqtt/random_packets.h"
#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

constexpr int kRounds = 300;

// Calls `visit(packet, version)` with random packets of every type of both versions.
template <typename Visitor>
void ForRandomPackets(Visitor visit) {
  RandomPackets packets(20'260'101);
  for (Version version : {Version::k311, Version::k5}) {
    for (int type = 1; type <= 15; ++type) {
      const auto packet_type = static_cast<PacketType>(type);
      if (packet_type == PacketType::kAuth && version == Version::k311) continue;
      for (int i = 0; i < kRounds; ++i) visit(packets.Next(packet_type, version), version);
    }
  }
}

TEST_CASE("what is encoded decodes to the same") {
  ForRandomPackets([](const Packet& packet, Version version) {
    INFO(Name(TypeOf(packet)) << " in version " << int(version));
    std::string bytes;
    Encode(packet, version, &bytes);
    const ExactBlock block(bytes);
    const FrameResult result = DecodeFrame(block.view(), kRemainingLengthMax);
    REQUIRE(result.kind == FrameResult::Kind::kFrame);
    REQUIRE(result.frame.total_bytes == bytes.size());
    Packet decoded;
    const DecodeOptions options{version, ReceiverOf(TypeOf(packet)), Limits{}};
    const DecodeError error = Decode(result.frame, options, &decoded);
    INFO(error.what);
    REQUIRE(error.ok());
    REQUIRE(decoded == packet);
  });
}

TEST_CASE("what is decoded encodes to an equal packet") {
  for (const WireCase& wire : LoadWireCases()) {
    if (!wire.expected.starts_with("ok ")) continue;
    INFO(wire.file << ": " << wire.name);
    const DecodeOptions options{wire.version, wire.side, Limits{}};
    const FrameResult result = DecodeFrame(wire.bytes, options.limits.packet_bytes_max);
    Packet first;
    REQUIRE(Decode(result.frame, options, &first).ok());
    std::string bytes;
    Encode(first, wire.version, &bytes);
    CHECK(bytes.size() <= wire.bytes.size());
    Packet second;
    const FrameResult again = DecodeFrame(bytes, options.limits.packet_bytes_max);
    REQUIRE(again.kind == FrameResult::Kind::kFrame);
    REQUIRE(Decode(again.frame, options, &second).ok());
    CHECK(first == second);
  }
}

TEST_CASE("encoders append") {
  std::string out = "before";
  EncodePingreq(&out);
  EncodePuback(Puback{7, ReasonCode::kSuccess, {}}, Version::k5, &out);
  CHECK(out == "before" + FromHex("C0 00 40 02 0007"));
}

// Single changed bytes reach states that no hand-written case does; the sanitizers are the judge.
TEST_CASE("damaged packets are decoded or refused, never over-read") {
  std::mt19937_64 random(7);
  ForRandomPackets([&random](const Packet& packet, Version version) {
    std::string bytes;
    Encode(packet, version, &bytes);
    for (int i = 0; i < 20; ++i) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] = static_cast<char>(random());
      const DecodeOptions options{version, ReceiverOf(TypeOf(packet)), Limits{}};
      const std::string outcome = Outcome(damaged, options);
      REQUIRE_FALSE(outcome.empty());
    }
  });
}

}  // namespace
}  // namespace homeport::mqtt
