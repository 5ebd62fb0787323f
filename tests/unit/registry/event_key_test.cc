#include "services/registry/core/event_key.h"

#include <catch2/catch.hpp>

#include "libs/json/parse.h"

namespace homeport::registry {
namespace {

std::string KeyOf(std::string_view payload, std::string_view arguments = "{}") {
  const auto parsed = json::Parse(payload);
  REQUIRE(parsed.ok());
  return EventKey(*parsed->IfObject(), arguments);
}

TEST_CASE("the device's id is the key; a number and a text are two") {
  CHECK(KeyOf(R"({"id":7,"ts":5})") == "n7");
  CHECK(KeyOf(R"({"id":"7"})") == "s7");
  CHECK(KeyOf(R"({"id":7})", "{}") == KeyOf(R"({"id":7})", R"({"a":1})"));
}

TEST_CASE("without a usable id, the device's time and the arguments are") {
  CHECK(KeyOf(R"({"ts":5})", "{}") != KeyOf(R"({"ts":5})", R"({"a":1})"));
  CHECK(KeyOf(R"({"ts":5})") != KeyOf(R"({"ts":6})"));
  for (const std::string& unusable :
       {std::string("null"), std::string("[1]"), std::string("\"\""), std::string("\"\\u0000\""),
        "\"" + std::string(65, 'x') + "\""}) {
    INFO(unusable);
    CHECK(KeyOf(R"({"ts":5,"id":)" + unusable + "}") == KeyOf(R"({"ts":5})"));
  }
}

TEST_CASE("an event with neither has no key") { CHECK(KeyOf(R"({"arguments":[1]})").empty()); }

}  // namespace
}  // namespace homeport::registry
