#include "libs/model/migrate.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/json/print.h"
#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

// Two services "light" (2) and, where `more` says so, others; `fields` are those of property 1.
Model Version(const std::string& fields, const std::string& more = "") {
  return ParseModel(
             R"({"type":"urn:s:device:d","services":[{"iid":2,"type":"urn:s:service:light",)"
             R"("properties":[{"iid":1,"type":"urn:s:property:level","access":["read"],)" +
             fields +
             R"(},{"iid":2,"type":"urn:s:property:on","access":["read"],"format":"bool"}]})" +
             more + "]}")
      .value();
}

struct Row {
  const char* name;
  const char* was;
  const char* now;
  const char* state;
  const char* patch;
};

TEST_CASE("what no longer fits is not kept") {
  constexpr const char* kPercent = R"("format":"uint8","value-range":[1,100,1])";
  constexpr const char* kLevel50 = R"({"light":{"level":50,"on":true}})";
  constexpr const char* kGone = R"({"light":{"level":null}})";
  const Row row =
      GENERATE_COPY(Row{"nothing changes", kPercent, kPercent, kLevel50, "{}"},
                    Row{"a moved range", kPercent,
                        R"("format":"uint16","value-range":[3000,5000,1])", kLevel50, kGone},
                    Row{"a wider format", kPercent, R"("format":"uint16","value-range":[0,5000,1])",
                        kLevel50, "{}"},
                    Row{"a coarser step", kPercent, R"("format":"uint8","value-range":[0,99,3])",
                        kLevel50, kGone},
                    Row{"a coarser step that the value meets", kPercent,
                        R"("format":"uint8","value-range":[0,100,10])", kLevel50, "{}"},
                    Row{"another format", kPercent, R"("format":"bool")", kLevel50, kGone},
                    Row{"a number as text", kPercent, R"("format":"string")", kLevel50, kGone},
                    Row{"an integer as float", kPercent, R"("format":"float")", kLevel50, "{}"},
                    Row{"a list without it", kPercent,
                        R"("format":"uint8","value-list":[{"value":5}])", kLevel50, kGone},
                    Row{"a list with it", kPercent,
                        R"("format":"uint8","value-list":[{"value":50}])", kLevel50, "{}"},
                    Row{"another unit", R"("format":"uint8","unit":"percentage")",
                        R"("format":"uint8","unit":"kelvin")", kLevel50, kGone},
                    Row{"a unit comes", R"("format":"uint8","unit":"none")",
                        R"("format":"uint8","unit":"percentage")", kLevel50, "{}"},
                    Row{"the last value of a service goes", kPercent, R"("format":"bool")",
                        R"({"light":{"level":50}})", R"({"light":null})"},
                    Row{"unknown fields stay", kPercent, R"("format":"bool")",
                        R"({"light":{"colour":"red","level":50},"x":1,"y":{"z":[1]}})", kGone},
                    Row{"an empty state", kPercent, R"("format":"bool")", "{}", "{}"});
  INFO(row.name);
  const Model was = Version(row.was);
  const Model now = Version(row.now);
  const json::Value state = J(row.state);
  CHECK(json::Print(MigrateState(&was, now, *state.IfObject()).patch) == row.patch);
}

TEST_CASE("the loss is named") {
  const Model was = Version(R"("format":"uint8")");
  const Model now = Version(R"("format":"uint8","value-range":[0,9,1])");
  const json::Value state = J(R"({"light":{"level":50,"on":true}})");
  const Migration migration = MigrateState(&was, now, *state.IfObject());
  REQUIRE(migration.lost.size() == 1);
  CHECK(migration.lost[0].path == "light.level");
  CHECK(migration.lost[0].loss == Loss::kWrongValue);
  CHECK(migration.moved.empty());
}

TEST_CASE("a removed property, and a service that is another now") {
  const Model was =
      Version(R"("format":"uint8")",
              R"(,{"iid":3,"type":"urn:s:service:switch","properties":[)"
              R"({"iid":1,"type":"urn:s:property:on","access":["read"],"format":"bool"}]})");
  const Model now =
      Version(R"("format":"uint8")",
              R"(,{"iid":3,"type":"urn:s:service:indicator","properties":[)"
              R"({"iid":1,"type":"urn:s:property:on","access":["read"],"format":"bool"}]})");
  const Model without = Version(R"("format":"uint8")");
  const json::Value state = J(R"({"light":{"level":5},"switch":{"on":true}})");
  const Migration other = MigrateState(&was, now, *state.IfObject());
  CHECK(json::Print(other.patch) == R"({"switch":null})");
  CHECK(other.lost.at(0).loss == Loss::kOtherType);
  const Migration gone = MigrateState(&was, without, *state.IfObject());
  CHECK(json::Print(gone.patch) == R"({"switch":null})");
  CHECK(gone.lost.at(0).loss == Loss::kGone);
}

TEST_CASE("a value moves with its path") {
  const std::string second =
      R"(,{"iid":3,"type":"urn:s:service:light","properties":[)"
      R"({"iid":1,"type":"urn:s:property:level","access":["read"],"format":"uint8"}]})";
  const Model one = Version(R"("format":"uint8")");
  const Model two = Version(R"("format":"uint8")", second);
  const json::Value state = J(R"({"light":{"level":5,"on":true},"x":1})");
  const Migration there = MigrateState(&one, two, *state.IfObject());
  CHECK(json::Print(there.patch) == R"({"light":null,"light-2":{"level":5,"on":true}})");
  REQUIRE(there.moved.size() == 2);
  CHECK(there.moved[0].from == "light.level");
  CHECK(there.moved[0].to == "light-2.level");
  const json::Value moved = J(R"({"light-2":{"level":5,"on":true},"light-3":{"level":6},"x":1})");
  const Migration back = MigrateState(&two, one, *moved.IfObject());
  CHECK(json::Print(back.patch) ==
        R"({"light-2":null,"light-3":null,"light":{"level":5,"on":true}})");
}

TEST_CASE("names change places") {
  const auto version = [](const std::string& first, const std::string& second) {
    return ParseModel(R"({"type":"urn:s:device:d","services":[{"iid":2,"type":"urn:s:service:s",)"
                      R"("properties":[{"iid":1,"type":"urn:s:property:)" +
                      first +
                      R"(","access":["read"],"format":"uint8"},{"iid":2,"type":"urn:s:property:)" +
                      second + R"(","access":["read"],"format":"uint8"}]}]})")
        .value();
  };
  const Model was = version("a", "b-1");
  const Model now = version("a", "a");
  const json::Value state = J(R"({"s":{"a":1,"b-1":2}})");
  const Migration migration = MigrateState(&was, now, *state.IfObject());
  // 2.2 was b-1 and is an a: another type. 2.1 is a still, under a longer name.
  CHECK(json::Print(migration.patch) == R"({"s":{"a":null,"b-1":null,"a-1":1}})");
}

TEST_CASE("the first model of a device") {
  const Model now = Version(R"("format":"uint8","value-range":[1,9,1])");
  const json::Value state =
      J(R"({"light":{"level":50,"on":true,"hue":3},"s9":{"p1":1},"other":"text"})");
  const Migration migration = MigrateState(nullptr, now, *state.IfObject());
  CHECK(json::Print(migration.patch) == R"({"light":{"level":null}})");
}

}  // namespace
}  // namespace homeport::model
