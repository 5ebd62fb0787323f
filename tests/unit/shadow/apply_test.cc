#include "libs/shadow/apply.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

TEST_CASE("a shadow that never existed takes only version 1") {
  struct Row {
    int64_t version;
    bool accepted;
  };
  const Row row = GENERATE(Row{0, false}, Row{1, true}, Row{2, false});
  Harness shadow;
  const UpdateResult result = shadow.Update(R"({"state":{"reported":{"a":1}},"version":)" +
                                            std::to_string(row.version) + "}");
  CHECK(result.accepted() == row.accepted);
  if (!row.accepted) CHECK(*result.rejected == InvalidVersion());
  CHECK(shadow.document.exists() == row.accepted);
}

TEST_CASE("versions go on after a delete") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"reported":{"a":1}}})").version == 1);
  REQUIRE(shadow.Update(R"({"state":{"reported":{"a":2}}})").version == 2);
  const DeleteResult deleted = ApplyDelete(shadow.document);
  CHECK(deleted.found);
  CHECK(deleted.version == 2);
  CHECK(shadow.document.version == 3);
  CHECK_FALSE(ApplyDelete(shadow.document).found);

  SECTION("an update without a version recreates it, empty before") {
    CHECK(shadow.Update(R"({"state":{"reported":{"b":1}}})").version == 4);
    CHECK(shadow.GetState() == R"({"reported":{"b":1}})");
  }
  SECTION("the version that delete/accepted told is right") {
    CHECK(shadow.Update(R"({"state":{"reported":{"b":1}},"version":2})").version == 4);
  }
  SECTION("so is the tombstone's own") {
    CHECK(shadow.Update(R"({"state":{"reported":{"b":1}},"version":3})").version == 4);
  }
  SECTION("others are not") {
    CHECK(*shadow.Update(R"({"state":{},"version":1})").rejected == VersionConflict());
    CHECK(*shadow.Update(R"({"state":{},"version":4})").rejected == VersionConflict());
  }
}

TEST_CASE("deleting what never existed finds nothing") {
  Document document;
  CHECK_FALSE(ApplyDelete(document).found);
  CHECK(document.version == 0);
  CHECK_FALSE(document.deleted);
}

TEST_CASE("the resulting document is limited, not the request") {
  Harness shadow;
  shadow.limits.bytes_max = 30;
  // {"a":"0123456789"} has 18 bytes.
  REQUIRE(shadow.Update(R"({"state":{"reported":{"a":"0123456789"}}})").accepted());
  SECTION("exactly full") {
    // {"b":"012345"} has 14 bytes as a section of its own, {"b":"0123"} 12.
    CHECK(*shadow.Update(R"({"state":{"desired":{"b":"012345"}}})").rejected == TooLarge());
    CHECK(shadow.Update(R"({"state":{"desired":{"b":"0123"}}})").accepted());
  }
  SECTION("replacing does not grow") {
    for (int i = 0; i < 10; ++i) {
      CHECK(shadow.Update(R"({"state":{"reported":{"a":"9876543210"}}})").accepted());
    }
  }
  SECTION("removing makes room in the same update") {
    CHECK(shadow.Update(R"({"state":{"reported":{"a":null,"bb":"0123456789"}}})").accepted());
    CHECK(shadow.GetState() == R"({"reported":{"bb":"0123456789"}})");
  }
  SECTION("a refusal changes nothing") {
    const std::string before = shadow.GetState();
    CHECK_FALSE(shadow.Update(R"({"state":{"reported":{"a":1,"b":"0123456789012345678901234"}}})")
                    .accepted());
    CHECK(shadow.GetState() == before);
    CHECK(shadow.document.version == 1);
  }
}

TEST_CASE("an update that changes nothing") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"reported":{"a":1,"o":{"b":[1]}}}})").accepted());
  shadow.now = 2000;
  const std::string same =
      GENERATE(R"({"state":{"reported":{"a":1.0}}})", R"({"state":{"reported":{"o":{}}}})",
               R"({"state":{"reported":{"none":null,"o":{"b":[1]}}}})",
               R"({"state":{"desired":null}})", R"({"state":{}})");
  INFO(same);

  SECTION("raises the version all the same") {
    const UpdateResult result = shadow.Update(same);
    CHECK(result.version == 2);
    CHECK_FALSE(result.noop);
  }
  SECTION("is skipped when asked") {
    shadow.options.skip_noop = true;
    const UpdateResult result = shadow.Update(same);
    CHECK(result.accepted());
    CHECK(result.noop);
    CHECK(result.version == 1);
    CHECK(shadow.GetMetadata() ==
          R"({"reported":{"a":{"timestamp":1000},"o":{"b":[{"timestamp":1000}]}}})");
  }
}

TEST_CASE("what would change is never skipped") {
  Harness shadow;
  shadow.options.skip_noop = true;
  CHECK_FALSE(shadow.Update(R"({"state":{}})").noop);  // creates the shadow
  REQUIRE(shadow.document.version == 1);
  REQUIRE(shadow.Update(R"({"state":{"reported":{"a":1,"o":{"b":[1]}}}})").version == 2);
  const std::string other =
      GENERATE(R"({"state":{"reported":{"a":2}}})", R"({"state":{"reported":{"a":null}}})",
               R"({"state":{"reported":{"o":{"b":[1,2]}}}})", R"({"state":{"reported":null}})",
               R"({"state":null})", R"({"state":{"reported":{"e":{}}}})",
               R"({"state":{"desired":{"a":1}}})");
  INFO(other);
  CHECK_FALSE(shadow.Update(other).noop);
  CHECK(shadow.document.version == 3);
}

TEST_CASE("changes are a merge patch from the old state to the new") {
  struct Row {
    const char* name;
    std::string patch;
    std::string changes;
  };
  const Row row = GENERATE(
      Row{"same value", R"({"a":1})", "{}"}, Row{"other value", R"({"a":2,"t":"x"})", R"({"a":2})"},
      Row{"new value without its nulls", R"({"n":{"x":1,"y":null}})", R"({"n":{"x":1}})"},
      Row{"removed and not there", R"({"a":null,"z":null})", R"({"a":null})"},
      Row{"one of a nested object", R"({"o":{"b":1,"c":3}})", R"({"o":{"c":3}})"},
      Row{"nothing of a nested object", R"({"o":{"b":1}})", "{}"},
      Row{"object over number", R"({"a":{"x":1}})", R"({"a":{"x":1}})"},
      Row{"number over object", R"({"o":5})", R"({"o":5})"});
  INFO(row.name);
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"reported":{"a":1,"t":"x","o":{"b":1,"c":2}}}})").accepted());
  shadow.options.want_changes = true;
  const UpdateResult result = shadow.Update(R"({"state":{"reported":)" + row.patch + "}}");
  CHECK(json::Print(result.changed_reported) == row.changes);
  CHECK(result.changed_desired.empty());
}

TEST_CASE("removing a section changes each of its keys") {
  Harness shadow;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"a":1},"reported":{"b":1,"c":{}}}})").accepted());
  shadow.options.want_changes = true;
  const UpdateResult result = shadow.Update(R"({"state":null})");
  CHECK(json::Print(result.changed_desired) == R"({"a":null})");
  CHECK(json::Print(result.changed_reported) == R"({"b":null,"c":null})");
}

TEST_CASE("a typed report merges like an update of reported") {
  Harness shadow;
  shadow.options.want_changes = true;
  REQUIRE(shadow.Update(R"({"state":{"desired":{"light":{"on":true}}}})").has_delta);
  const UpdateResult result =
      ApplyReported(shadow.document, O(R"({"light":{"on":true,"level":5}})"), 1001, shadow.limits,
                    shadow.options);
  CHECK(result.version == 2);
  CHECK_FALSE(result.has_delta);
  CHECK(json::Print(result.changed_reported) == R"({"light":{"on":true,"level":5}})");
  shadow.limits.bytes_max = 10;
  CHECK(*ApplyReported(shadow.document, O(R"({"x":1})"), 1002, shadow.limits).rejected ==
        TooLarge());
}

TEST_CASE("the bound of the size never falls below the size") {
  Harness shadow;
  for (int i = 0; i < 200; ++i) {
    REQUIRE(shadow
                .Update(R"({"state":{"reported":{"k)" + std::to_string(i % 7) +
                        "\":" + std::to_string(i) + R"(},"desired":{"d":"\u0001)" +
                        std::to_string(i) + "\"}}}")
                .accepted());
    std::string text;
    EncodeState(shadow.document, text);
    const size_t frame = std::string_view(R"({"desired":,"reported":})").size();
    CHECK(shadow.document.bytes_bound + frame >= text.size());
  }
}

}  // namespace
}  // namespace homeport::shadow
