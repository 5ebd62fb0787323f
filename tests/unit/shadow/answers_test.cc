#include "libs/shadow/answers.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

TEST_CASE("update/accepted mirrors the request, nulls and lists included") {
  Harness shadow;
  const UpdateResult result = shadow.Update(
      R"({"state":{"desired":{"a":null,"l":[1,{"x":2}],"o":{"e":{}}},"reported":null},)"
      R"("clientToken":"t\"1"})");
  CHECK(UpdateAccepted(shadow.last_request, result.version,
                       {1000, shadow.last_request.client_token}) ==
        R"({"state":{"desired":{"a":null,"l":[1,{"x":2}],"o":{"e":{}}},"reported":null},)"
        R"("metadata":{"desired":{"a":{"timestamp":1000},)"
        R"("l":[{"timestamp":1000},{"x":{"timestamp":1000}}],"o":{"e":{}}},)"
        R"("reported":{"timestamp":1000}},"version":1,"timestamp":1000,"clientToken":"t\"1"})");
}

TEST_CASE("update/delta carries all that differs and the times of desired") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"a":1,"l":[1,2],"o":{"x":1,"y":2}}}})").accepted());
  shadow.now = 2000;
  REQUIRE(
      shadow.Update(R"({"state":{"desired":{"b":2},"reported":{"a":1,"o":{"y":2}}}})").has_delta);
  CHECK(UpdateDelta(shadow.document, {2000, "tok"}) ==
        R"({"version":2,"timestamp":2000,"state":{"l":[1,2],"o":{"x":1},"b":2},)"
        R"("metadata":{"l":[{"timestamp":1000},{"timestamp":1000}],"o":{"x":{"timestamp":1000}},)"
        R"("b":{"timestamp":2000}},"clientToken":"tok"})");
}

TEST_CASE("update/documents shows both states without a delta") {
  Harness shadow;
  shadow.options.want_previous = true;
  UpdateResult result = shadow.Update(R"({"state":{"desired":{"a":1}}})");
  CHECK(UpdateDocuments(shadow.document, result.previous, {1000, std::nullopt}) ==
        R"({"previous":null,)"
        R"("current":{"state":{"desired":{"a":1}},"metadata":{"desired":{"a":{"timestamp":1000}}},)"
        R"("version":1},"timestamp":1000})");
  result = shadow.Update(R"({"state":{"reported":{"a":1}}})");
  CHECK(result.previous ==
        R"({"state":{"desired":{"a":1}},"metadata":{"desired":{"a":{"timestamp":1000}}},)"
        R"("version":1})");
}

TEST_CASE("get/accepted has delta only when there is one") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"a":1},"reported":{"a":2}}})").accepted());
  CHECK(GetAccepted(shadow.document, {3000, "t"}) ==
        R"({"state":{"desired":{"a":1},"reported":{"a":2},"delta":{"a":1}},)"
        R"("metadata":{"desired":{"a":{"timestamp":1000}},"reported":{"a":{"timestamp":1000}}},)"
        R"("version":1,"timestamp":3000,"clientToken":"t"})");
}

TEST_CASE("small answers") {
  CHECK(DeleteAccepted(4, {9, "t"}) == R"({"version":4,"timestamp":9,"clientToken":"t"})");
  CHECK(RejectedAnswer(NoShadow("lamp"), {9, std::nullopt}) ==
        R"({"code":404,"message":"No shadow exists with name: 'lamp'","timestamp":9})");
  CHECK(RejectedAnswer(VersionConflict(), {9, "t"}) ==
        R"({"code":409,"message":"Version conflict","timestamp":9,"clientToken":"t"})");
}

}  // namespace
}  // namespace homeport::shadow
