#include "libs/shadow/merge.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/shadow/delta.h"
#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

struct MergeRow {
  const char* name;
  std::string state, patch, result;
};

TEST_CASE("merging") {
  const MergeRow row = GENERATE(
      MergeRow{"new keys follow", R"({"b":1})", R"({"c":2,"a":3})", R"({"b":1,"c":2,"a":3})"},
      MergeRow{"removal keeps the order", R"({"a":1,"b":2,"c":3})", R"({"b":null})",
               R"({"a":1,"c":3})"},
      MergeRow{"objects merge", R"({"o":{"x":1}})", R"({"o":{"y":2}})", R"({"o":{"x":1,"y":2}})"},
      MergeRow{"an emptied object stays", R"({"o":{"x":1}})", R"({"o":{"x":null}})", R"({"o":{}})"},
      MergeRow{"nulls of a new object are dropped", "{}", R"({"o":{"x":null,"y":{"z":null}}})",
               R"({"o":{"y":{}}})"},
      MergeRow{"nulls of an object over a number too", R"({"o":1})", R"({"o":{"x":null}})",
               R"({"o":{}})"},
      MergeRow{"an array replaces an array", R"({"l":[1,2,3]})", R"({"l":[4]})", R"({"l":[4]})"},
      MergeRow{"an array replaces an object", R"({"l":{"x":1}})", R"({"l":[]})", R"({"l":[]})"},
      MergeRow{"the number's type is the last one's", R"({"n":1})", R"({"n":1.0})", R"({"n":1.0})"},
      MergeRow{"remove and add at once", R"({"a":1,"b":2})", R"({"a":null,"c":3})",
               R"({"b":2,"c":3})"});
  INFO(row.name);
  Section section;
  MergeSection(section, O(row.state), 1, nullptr);
  MergeSection(section, O(row.patch), 2, nullptr);
  CHECK(json::Print(section.state) == row.result);
}

TEST_CASE("touched leaves get the time, others keep theirs") {
  Section section;
  MergeSection(section, O(R"({"a":1,"o":{"x":1,"y":2},"l":[1,2]})"), 100, nullptr);
  MergeSection(section, O(R"({"a":1,"o":{"y":3,"z":4}})"), 200, nullptr);
  CHECK(json::Print(section.times) == R"({"a":200,"o":{"x":100,"y":200,"z":200},"l":100})");
}

TEST_CASE("work is linear in the size of documents with very many keys") {
  // Keys in opposite orders are the worst case for a scan: 20,000 of them would be 400 million
  // comparisons for each of the steps below.
  constexpr int kKeys = 20000;
  json::Object forward;
  json::Object backward;
  for (int i = 0; i < kKeys; ++i) {
    forward.Append("k" + std::to_string(i), i);
    backward.Append("k" + std::to_string(kKeys - 1 - i), kKeys - 1 - i);
  }
  Section section;
  MergeSection(section, forward, 1, nullptr);
  CHECK_FALSE(WouldChange(section.state, backward));
  CHECK_FALSE(MergeSection(section, backward, 2, nullptr));
  CHECK_FALSE(HasDelta(section.state, backward));
  CHECK(section.state == backward);
}

struct DeltaRow {
  const char* name;
  std::string desired, reported, delta;
};

TEST_CASE("delta") {
  const DeltaRow row =
      GENERATE(DeltaRow{"only in reported", "{}", R"({"a":1})", "{}"},
               DeltaRow{"only in desired", R"({"a":{"b":1}})", "{}", R"({"a":{"b":1}})"},
               DeltaRow{"numbers by value", R"({"a":1,"l":[1.0]})", R"({"a":1.0,"l":[1]})", "{}"},
               DeltaRow{"object over number", R"({"a":{"b":1}})", R"({"a":1})", R"({"a":{"b":1}})"},
               DeltaRow{"number over object", R"({"a":1})", R"({"a":{"b":1}})", R"({"a":1})"},
               DeltaRow{"empty object over nothing", R"({"a":{}})", "{}", R"({"a":{}})"},
               DeltaRow{"empty object over an object", R"({"a":{}})", R"({"a":{"b":1}})", "{}"},
               DeltaRow{"empty object over a number", R"({"a":{}})", R"({"a":1})", R"({"a":{}})"},
               DeltaRow{"objects in arrays by value", R"({"l":[{"x":1,"y":2}]})",
                        R"({"l":[{"y":2,"x":1}]})", "{}"},
               DeltaRow{"text and number", R"({"a":"1"})", R"({"a":1})", R"({"a":"1"})"});
  INFO(row.name);
  const json::Object desired = O(row.desired);
  const json::Object reported = O(row.reported);
  CHECK(json::Print(MakeDelta(desired, reported)) == row.delta);
  CHECK(HasDelta(desired, reported) == (row.delta != "{}"));
}

}  // namespace
}  // namespace homeport::shadow
