#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

DecodeOptions OptionsFor(const WireCase& wire) { return {wire.version, wire.side, Limits{}}; }

TEST_CASE("the codec answers every wire case as expected") {
  const std::vector<WireCase> cases = LoadWireCases();
  CHECK(cases.size() > 150);
  for (const WireCase& wire : cases) {
    INFO(wire.file << ": " << wire.name << " (" << wire.statement << ") in version "
                   << int(wire.version));
    CHECK(Outcome(wire.bytes, OptionsFor(wire)) == wire.expected);
  }
}

TEST_CASE("wire cases have names of their own") {
  std::set<std::string> names;
  for (const WireCase& wire : LoadWireCases()) {
    const std::string name = wire.file + ": " + wire.name + " " +
                             std::to_string(int(wire.version)) +
                             (wire.side == Side::kClient ? " client" : " server");
    INFO(name);
    CHECK(names.insert(name).second);
  }
}

TEST_CASE("a packet cut at any byte needs more, and says how much once it can") {
  for (const WireCase& wire : LoadWireCases()) {
    if (!wire.expected.starts_with("ok ")) continue;
    INFO(wire.file << ": " << wire.name);
    for (size_t size = 0; size < wire.bytes.size(); ++size) {
      const std::string cut = wire.bytes.substr(0, size);
      REQUIRE(Outcome(cut, OptionsFor(wire)) == "more");
      const FrameResult result = DecodeFrame(cut, Limits{}.packet_bytes_max);
      REQUIRE((result.total_bytes == 0 || result.total_bytes == wire.bytes.size()));
    }
  }
}

// The frame's length is made to fit, so that each packet ends early in every field.
TEST_CASE("a body cut at any byte is decoded or refused, never over-read") {
  for (const WireCase& wire : LoadWireCases()) {
    if (!wire.expected.starts_with("ok ") || wire.bytes.size() > 129) continue;
    INFO(wire.file << ": " << wire.name);
    for (size_t body = 0; body + 2 < wire.bytes.size(); ++body) {
      std::string cut = wire.bytes.substr(0, 2 + body);
      cut[1] = static_cast<char>(body);
      const std::string outcome = Outcome(cut, OptionsFor(wire));
      CHECK((outcome == wire.expected || outcome.starts_with("error 0x8")));
    }
  }
}

TEST_CASE("a byte after the packet belongs to the next one") {
  for (const WireCase& wire : LoadWireCases()) {
    if (!wire.expected.starts_with("ok ")) continue;
    const std::string two = wire.bytes + "\xC0";
    const FrameResult result = DecodeFrame(two, Limits{}.packet_bytes_max);
    INFO(wire.file << ": " << wire.name);
    REQUIRE(result.kind == FrameResult::Kind::kFrame);
    CHECK(result.frame.total_bytes == wire.bytes.size());
  }
}

}  // namespace
}  // namespace homeport::mqtt
