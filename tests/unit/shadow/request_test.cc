#include "libs/shadow/request.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

std::string Nested(int levels) {
  std::string text = "1";
  for (int i = 0; i < levels; ++i) text = "{\"k\":" + text + "}";
  return text;
}

struct Row {
  const char* name;
  std::string payload;
  Rejected rejected;
  std::string token;  // that is echoed all the same
};

TEST_CASE("requests that are refused, with the texts of AWS") {
  const Rejected invalid_node{400, "State contains an invalid node"};
  const Row row = GENERATE_COPY(
      Row{"empty", "", InvalidJson(), ""}, Row{"not JSON", "{", InvalidJson(), ""},
      Row{"root is no object", "[]", InvalidJson(), ""},
      Row{"not UTF-8", "{\"state\":{\"desired\":{\"a\":\"\xFF\"}}}", NotUtf8(), ""},
      Row{"no state", R"({"clientToken":"t"})", {400, "Missing required node: state"}, "t"},
      Row{"state is text", R"({"state":"x"})", {400, "State node must be an object"}, ""},
      Row{"state is a list", R"({"state":[]})", {400, "State node must be an object"}, ""},
      Row{"desired is a number",
          R"({"state":{"desired":1},"clientToken":"t"})",
          {400, "Desired node must be an object"},
          "t"},
      Row{"reported is a list",
          R"({"state":{"reported":[]}})",
          {400, "Reported node must be an object"},
          ""},
      Row{"unknown key in state", R"({"state":{"delta":{}}})", invalid_node, ""},
      Row{"unknown key beside a good one", R"({"state":{"reported":{},"x":1}})", invalid_node, ""},
      Row{"null in a list", R"({"state":{"reported":{"l":[1,null]}}})", invalid_node, ""},
      Row{"null in a list in a list", R"({"state":{"reported":{"l":[[null]]}}})", invalid_node, ""},
      Row{"version is text", R"({"state":{},"version":"1"})", InvalidVersion(), ""},
      Row{"version is negative", R"({"state":{},"version":-1})", InvalidVersion(), ""},
      Row{"version is no whole number", R"({"state":{},"version":1.5})", InvalidVersion(), ""},
      Row{"version is null", R"({"state":{},"version":null})", InvalidVersion(), ""},
      Row{"version beyond int64", R"({"state":{},"version":9223372036854775808})", InvalidVersion(),
          ""},
      Row{"token is a number", R"({"state":{},"clientToken":5})", InvalidClientToken(), ""},
      Row{"token too long", R"({"state":{},"clientToken":")" + std::string(65, 't') + "\"}",
          InvalidClientToken(), ""},
      Row{"state before version",
          R"({"state":1,"version":"x","clientToken":5})",
          {400, "State node must be an object"},
          ""},
      Row{"version before token", R"({"state":{},"version":"x","clientToken":5})", InvalidVersion(),
          ""},
      Row{"nine levels", "{\"state\":{\"desired\":" + Nested(9) + "},\"clientToken\":\"t\"}",
          TooDeep(8), "t"},
      Row{"depth beyond any sense", "{\"state\":{\"desired\":" + Nested(1000) + "}}", TooDeep(8),
          ""});
  INFO(row.name);
  const ParsedUpdate parsed = ParseUpdate(row.payload, {});
  REQUIRE(parsed.rejected);
  CHECK(parsed.rejected->code == row.rejected.code);
  CHECK(parsed.rejected->message == row.rejected.message);
  CHECK(parsed.request.client_token.value_or("") == row.token);
}

TEST_CASE("requests that are accepted") {
  struct Good {
    const char* name;
    std::string payload;
  };
  const Good row = GENERATE(
      Good{"no sections", R"({"state":{}})"}, Good{"state null", R"({"state":null})"},
      Good{"sections null", R"({"state":{"desired":null,"reported":null}})"},
      Good{"unknown keys at the top", R"({"state":{},"extra":[null],"metadata":{}})"},
      Good{"token of 64 bytes", R"({"state":{},"clientToken":")" + std::string(64, 't') + "\"}"},
      Good{"eight levels", "{\"state\":{\"desired\":" + Nested(8) + "}}"},
      Good{"an empty object below the eighth level",
           R"({"state":{"desired":{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{}}}}}}}}}}})"},
      Good{"version 0", R"({"state":{},"version":0})"});
  INFO(row.name);
  CHECK_FALSE(ParseUpdate(row.payload, {}).rejected);
}

TEST_CASE("a request keeps its parts") {
  const ParsedUpdate parsed =
      ParseUpdate(R"({"state":{"desired":{"a":null}},"clientToken":"t-1","version":7})", {});
  REQUIRE_FALSE(parsed.rejected);
  CHECK(parsed.request.client_token == "t-1");
  CHECK(parsed.request.version == 7);
  CHECK(*parsed.request.desired() == J(R"({"a":null})"));
  CHECK(parsed.request.reported() == nullptr);
}

TEST_CASE("the text of a request is limited") {
  Limits limits;
  limits.request_bytes_max = 20;
  CHECK_FALSE(ParseUpdate(R"({"state":{}        })", limits).rejected);
  CHECK(*ParseUpdate(R"({"state":{}         })", limits).rejected == TooLarge());
}

TEST_CASE("an empty token is a token") {
  CHECK(ParseUpdate(R"({"state":{},"clientToken":""})", {}).request.client_token == "");
  CHECK_FALSE(ParseUpdate(R"({"state":{}})", {}).request.client_token.has_value());
}

TEST_CASE("get and delete need no payload and echo a token") {
  CHECK_FALSE(ParseSimple("", {}).rejected);
  CHECK(ParseSimple(R"({"clientToken":"t","version":3})", {}).client_token == "t");
  CHECK(*ParseSimple("x", {}).rejected == InvalidJson());
  CHECK(*ParseSimple("\xFF", {}).rejected == NotUtf8());
  CHECK(*ParseSimple(R"({"clientToken":1})", {}).rejected == InvalidClientToken());
}

}  // namespace
}  // namespace homeport::shadow
