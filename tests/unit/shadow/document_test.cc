#include "libs/shadow/document.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

TEST_CASE("a document survives storing") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"b":1,"a":{"x":[1,2],"e":{}}}}})").accepted());
  shadow.now = 2000;
  REQUIRE(
      shadow.Update(R"({"state":{"reported":{"b":1.5},"desired":{"a":{"x":[3]}}}})").accepted());

  std::string state = "old";
  std::string metadata = "old";
  EncodeState(shadow.document, state);
  EncodeMetadata(shadow.document, metadata);
  CHECK(state == R"({"desired":{"b":1,"a":{"x":[3],"e":{}}},"reported":{"b":1.5}})");
  CHECK(metadata == R"({"desired":{"b":1000,"a":{"x":2000,"e":{}}},"reported":{"b":2000}})");

  const auto decoded = DecodeDocument({state, metadata, 2, false});
  REQUIRE(decoded.ok());
  CHECK(GetAccepted(*decoded, {1, std::nullopt}) ==
        GetAccepted(shadow.document, {1, std::nullopt}));
  CHECK(decoded->bytes_bound >= state.size());
}

TEST_CASE("empty and missing sections") {
  std::string text;
  EncodeState({}, text);
  CHECK(text == "{}");
  for (const char* empty : {"", "{}", R"({"desired":{}})"}) {
    const auto decoded = DecodeDocument({empty, "", 3, true});
    REQUIRE(decoded.ok());
    CHECK(decoded->desired.empty());
    CHECK(decoded->version == 3);
    CHECK_FALSE(decoded->exists());
  }
}

TEST_CASE("metadata that does not mirror the state is made to") {
  struct Row {
    const char* name;
    const char* metadata;
    const char* times;
  };
  const Row row = GENERATE(
      Row{"missing", "", R"({"a":0,"o":{"x":0}})"},
      Row{"another order", R"({"reported":{"o":{"x":2},"a":1}})", R"({"a":1,"o":{"x":2}})"},
      Row{"too much", R"({"reported":{"a":1,"b":5,"o":{"x":2,"y":3}}})", R"({"a":1,"o":{"x":2}})"},
      Row{"another shape", R"({"reported":{"a":{"z":1},"o":7}})", R"({"a":0,"o":{"x":0}})"});
  INFO(row.name);
  const auto decoded =
      DecodeDocument({R"({"reported":{"a":1,"o":{"x":2}}})", row.metadata, 1, false});
  REQUIRE(decoded.ok());
  CHECK(json::Print(decoded->reported.times) == row.times);
}

TEST_CASE("what no Encode wrote is data loss") {
  for (const char* bad : {"[]", "{", "x", R"({"reported":{"a":null}})"}) {
    INFO(bad);
    CHECK(absl::IsDataLoss(DecodeDocument({bad, "", 1, false}).status()));
  }
  CHECK(absl::IsDataLoss(DecodeDocument({"{}", "x", 1, false}).status()));
}

}  // namespace
}  // namespace homeport::shadow
