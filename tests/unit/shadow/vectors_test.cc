// The vectors of AWS IoT shadows, whose results were observed at the AWS cloud ([M] there).
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

struct Vector {
  const char* name;
  std::vector<std::string> updates;
  std::string state;  // of get/accepted after the last update
  int64_t version;
};

TEST_CASE("updates in order give the state AWS gives") {
  const Vector row = GENERATE(
      Vector{"1 first desired",
             {R"({"state":{"desired":{"led":"on"}}})"},
             R"({"desired":{"led":"on"},"delta":{"led":"on"}})",
             1},
      Vector{"2 reported catches up",
             {R"({"state":{"desired":{"led":"on"}}})", R"({"state":{"reported":{"led":"on"}}})"},
             R"({"desired":{"led":"on"},"reported":{"led":"on"}})",
             2},
      Vector{"4 more reported than desired",
             {R"({"state":{"desired":{"enabled":true},
                           "reported":{"online":false,"enabled":true}}})"},
             R"({"desired":{"enabled":true},"reported":{"online":false,"enabled":true}})",
             1},
      Vector{"5 an empty section is not stored", {R"({"state":{"desired":{}}})"}, R"({})", 1},
      Vector{
          "6 null on an empty shadow", {R"({"state":{"reported":{"online":null}}})"}, R"({})", 1},
      Vector{"7 reported empty",
             {R"({"state":{"desired":{"enabled":true},"reported":{}}})"},
             R"({"desired":{"enabled":true},"delta":{"enabled":true}})",
             1},
      Vector{"8 arrays differ as a whole",
             {R"({"state":{"reported":{"l":["v1","v2"]},"desired":{"l":["v1"]}}})"},
             R"({"desired":{"l":["v1"]},"reported":{"l":["v1","v2"]},"delta":{"l":["v1"]}})",
             1},
      Vector{"9 nested delta",
             {R"({"state":{"reported":{"a":{"b":{"c":"d","e":"f"}}},
                           "desired":{"a":{"b":{"c":"d2"}}}}})"},
             R"({"desired":{"a":{"b":{"c":"d2"}}},"reported":{"a":{"b":{"c":"d","e":"f"}}},)"
             R"("delta":{"a":{"b":{"c":"d2"}}}})",
             1},
      Vector{"10 a nested empty object is kept",
             {R"({"state":{"desired":{"a":1,"b":{"c":3}}}})",
              R"({"state":{"desired":{"a":1,"b":{"c":3},"d":{}}}})"},
             R"({"desired":{"a":1,"b":{"c":3},"d":{}},"delta":{"a":1,"b":{"c":3},"d":{}}})",
             2},
      Vector{"11 an empty object replaces a number",
             {R"({"state":{"desired":{"b":{"c":3}}}})", R"({"state":{"desired":{"b":{"c":{}}}}})"},
             R"({"desired":{"b":{"c":{}}},"delta":{"b":{"c":{}}}})",
             2},
      Vector{"12 keys removed one by one",
             {R"({"state":{"desired":{"s1":1,"s2":2}}})", R"({"state":{"desired":{"s1":null}}})",
              R"({"state":{"desired":{"s2":null}}})"},
             R"({})",
             3},
      Vector{"state null clears both sections",
             {R"({"state":{"desired":{"a":1},"reported":{"a":2}}})", R"({"state":null})"},
             R"({})",
             2},
      Vector{
          "a section null removes it",
          {R"({"state":{"desired":{"a":1},"reported":{"a":2}}})", R"({"state":{"desired":null}})"},
          R"({"reported":{"a":2}})",
          2});
  INFO(row.name);
  Harness shadow;
  for (const std::string& update : row.updates) REQUIRE(shadow.Update(update).accepted());
  CHECK(shadow.GetState() == row.state);
  CHECK(shadow.document.version == row.version);
}

TEST_CASE("vector 2: accepted holds only what was asked") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"led":"on"}}})").has_delta);
  const UpdateResult result = shadow.Update(R"({"state":{"reported":{"led":"on"}}})");
  CHECK_FALSE(result.has_delta);
  CHECK(UpdateAccepted(shadow.last_request, result.version, {1000, std::nullopt}) ==
        R"({"state":{"reported":{"led":"on"}},)"
        R"("metadata":{"reported":{"led":{"timestamp":1000}}},"version":2,"timestamp":1000})");
}

TEST_CASE("vector 3: another version is a conflict") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"led":"on"}}})").accepted());
  REQUIRE(shadow.Update(R"({"state":{"reported":{"led":"on"}}})").accepted());
  const UpdateResult result = shadow.Update(R"({"state":{"reported":{"led":"off"}},"version":1})");
  REQUIRE_FALSE(result.accepted());
  CHECK(*result.rejected == Rejected{409, "Version conflict"});
  CHECK(shadow.document.version == 2);
  CHECK(shadow.GetState() == R"({"desired":{"led":"on"},"reported":{"led":"on"}})");
  CHECK(shadow.Update(R"({"state":{"reported":{"led":"off"}},"version":2})").version == 3);
}

TEST_CASE("vector 13: a deleted shadow is gone and other documents are not") {
  Harness named;
  Harness classic;
  REQUIRE(named.Update(R"({"state":{"reported":{"a":1}}})").accepted());
  REQUIRE(classic.Update(R"({"state":{"reported":{"a":1}}})").accepted());
  CHECK(ApplyDelete(named.document).found);
  CHECK_FALSE(named.document.exists());
  CHECK(classic.document.exists());
}

TEST_CASE("after state null a get returns empty objects") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"a":1}}})").accepted());
  const UpdateResult result = shadow.Update(R"({"state":null})");
  CHECK(UpdateAccepted(shadow.last_request, result.version, {7, std::nullopt}) ==
        R"({"state":null,"metadata":{"timestamp":7},"version":2,"timestamp":7})");
  CHECK(shadow.GetState() == "{}");
  CHECK(shadow.GetMetadata() == "{}");
}

}  // namespace
}  // namespace homeport::shadow
