#include "libs/mqtt/types.h"

#include <catch2/catch.hpp>

#include "libs/mqtt/decode.h"
#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

TEST_CASE("names") {
  CHECK(Name(PacketType::kConnect) == "CONNECT");
  CHECK(Name(PacketType::kAuth) == "AUTH");
  CHECK(Name(PacketType{}) == "unknown");
  CHECK(Name(ReasonCode::kTopicAliasInvalid) == "topic_alias_invalid");
  CHECK(Name(static_cast<ReasonCode>(0x7F)) == "unknown");
}

TEST_CASE("3.1.1 return codes map to reason codes and back") {
  for (uint8_t code = 0; code <= 5; ++code) {
    CHECK(ToConnackReturnCode(FromConnackReturnCode(code)) == code);
  }
  CHECK(ToConnackReturnCode(ReasonCode::kBanned) == 5);
  CHECK(ToConnackReturnCode(ReasonCode::kServerBusy) == 3);
  CHECK(ToConnackReturnCode(ReasonCode::kUseAnotherServer) == 3);
}

TEST_CASE("every failure a CONNACK may carry has a 3.1.1 return code that refuses") {
  for (int code = 0x80; code < 0x100; ++code) {
    const auto reason = static_cast<ReasonCode>(code);
    INFO(Name(reason));
    if (IsAllowed(reason, PacketType::kConnack)) CHECK(ToConnackReturnCode(reason) != 0);
  }
}

TEST_CASE("the version in which to refuse a CONNECT") {
  struct Row {
    const char* name;
    const char* body;
    std::optional<Version> version;
  };
  const Row rows[] = {
      {"3.1", "0006 4D5149736470 03", Version::k311},
      {"3.1 with an unknown level", "0006 4D5149736470 09", Version::k311},
      {"level 3", "0004 4D515454 03", Version::k311},
      {"level 4", "0004 4D515454 04", Version::k311},
      {"level 5", "0004 4D515454 05 FF", Version::k5},
      {"level 6", "0004 4D515454 06", Version::k5},
      {"no level", "0004 4D515454", std::nullopt},
      {"another protocol", "0004 48545450 05", std::nullopt},
      {"nothing", "", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ConnackVersion(FromHex(row.body)) == row.version);
  }
}

}  // namespace
}  // namespace homeport::mqtt
