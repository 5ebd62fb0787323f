#include "libs/model/compatibility.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

// `text` with `from`, which is there exactly once, replaced by `to`.
std::string With(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  REQUIRE(text.find(from, at + 1) == std::string::npos);
  return text.replace(at, from.size(), to);
}

Comparison CompareLamp(const std::string& from, const std::string& to) {
  const Model now = ParseModel(With(std::string(kLampSpec), from, to)).value();
  return Compare(Lamp(), now);
}

std::string Differences(const Comparison& comparison) {
  std::string text;
  for (const Difference& difference : comparison.differences) text += difference.ToString() + "\n";
  return text;
}

struct LampRow {
  const char* name;
  const char* from;
  const char* to;
  Upgrade upgrade;
  const char* differences;
};

TEST_CASE("changes of parts") {
  using U = Upgrade;
  const LampRow row = GENERATE(
      LampRow{"nothing", "\"Lamp\"", "\"Lamp\"", U::kSame, ""},
      LampRow{"a description", "\"Lamp\"", "\"Light\"", U::kSame, ""},
      LampRow{"a list's description", "\"Day\"", "\"Noon\"", U::kSame, ""},
      LampRow{"version and template of the device", "acme-lamp1:2:0000C814", "acme-lamp1:3",
              U::kSame, ""},
      LampRow{"vendor and version of a property", "property:temperature:00000020:acme-lamp1:1",
              "property:temperature:00000020:beta-lamp1:4", U::kSame, ""},
      LampRow{"kind of device", "device:light:0000A001", "device:outlet:0000A002", U::kBreaking,
              "device: type was urn:miot-spec-v2:device:light:0000A001, "
              "is urn:miot-spec-v2:device:outlet:0000A002\n"},
      LampRow{"number of a property", "property:brightness:0000000D",
              "property:brightness:0000000E", U::kBreaking,
              "property light.brightness (2.3): type was "
              "urn:miot-spec-v2:property:brightness:0000000D, is "
              "urn:miot-spec-v2:property:brightness:0000000E\n"},
      LampRow{"type of a service", "service:light:00007802", "service:lamp:00007802", U::kBreaking,
              nullptr},
      LampRow{"a property goes and one comes", R"({"iid": 11,)", R"({"iid": 12,)", U::kBreaking,
              nullptr},
      LampRow{"an action goes and one comes", R"({"iid": 1, "type": "urn:miot-spec-v2:action)",
              R"({"iid": 8, "type": "urn:miot-spec-v2:action)", U::kBreaking,
              "action light.toggle (2.1): is gone\naction light.toggle (2.8): was added\n"},
      LampRow{"an event goes and one comes", R"({"iid": 1, "type": "urn:acme-spec:event)",
              R"({"iid": 8, "type": "urn:acme-spec:event)", U::kBreaking,
              "event light.overheated (2.1): is gone\nevent light.overheated (2.8): was added\n"},
      LampRow{"a service goes and one comes", R"({"iid": 3, "type": "urn:miot-spec-v2:service)",
              R"({"iid": 4, "type": "urn:miot-spec-v2:service)", U::kBreaking,
              "service switch-3 (3): is gone\nservice switch-4 (4): was added\n"},
      LampRow{"unit", R"("unit": "celsius")", R"("unit": "kelvin")", U::kSame,
              "property light.temperature (2.4): unit was celsius, is kelvin\n"},
      LampRow{"no unit and none", R"("unit": "none",)", "", U::kSame, ""},
      LampRow{"format", R"("format": "uint16")", R"("format": "uint32")", U::kBreaking,
              "property light.delay (2.9): format was uint16, is uint32\n"},
      LampRow{"more access", R"("access": ["write"])", R"("access": ["write", "notify"])",
              U::kWidening, "property light.secret (2.11): access was write, is write notify\n"},
      LampRow{"less access", R"("access": ["write"])", R"("access": [])", U::kBreaking,
              "property light.secret (2.11): access was write, is none\n"},
      LampRow{"other access", R"("access": ["write"])", R"("access": ["read"])", U::kBreaking,
              nullptr},
      LampRow{"one more action argument", R"("in": [3, 9])", R"("in": [3, 9, 4])", U::kBreaking,
              "action light.dim-later (2.2): arguments was in [3, 9], is in [3, 9, 4]\n"},
      LampRow{"action arguments in another order", R"("in": [3, 9])", R"("in": [9, 3])",
              U::kBreaking, nullptr},
      LampRow{"one more result", R"("out": [4])", R"("out": [4, 9])", U::kWidening,
              "action light.dim-later (2.2): arguments was out [4], is out [4, 9]\n"},
      LampRow{"another result", R"("out": [4])", R"("out": [9])", U::kBreaking, nullptr},
      LampRow{"one more event argument", R"("arguments": [4, 9])", R"("arguments": [4, 9, 3])",
              U::kWidening, nullptr},
      LampRow{"one event argument less", R"("arguments": [4, 9])", R"("arguments": [4])",
              U::kBreaking, "event light.overheated (2.1): arguments was [4, 9], is [4]\n"},
      LampRow{"a path changes when a sibling comes",
              R"({"iid": 9, "type": "urn:miot-spec-v2:property:delay)",
              R"({"iid": 20, "type": "urn:miot-spec-v2:property:on:00000006:x:1",
                  "format": "bool", "access": []}, {"iid": 9, "type": "urn:miot-spec-v2:property:delay)",
              U::kAdditive,
              "property light.on (2.1): path was light.on, is light.on-1\n"
              "property light.on-20 (2.20): was added\n"});
  INFO(row.name);
  const Comparison comparison = CompareLamp(row.from, row.to);
  CHECK(comparison.upgrade == row.upgrade);
  if (row.differences != nullptr) CHECK(Differences(comparison) == row.differences);
  CHECK(comparison.differences.empty() == (Differences(comparison).empty()));
}

struct ValueRow {
  const char* name;
  const char* was;
  const char* now;
  Upgrade upgrade;
};

Model WithFields(const std::string& fields) {
  return ParseModel(R"({"type":"urn:s:device:d","services":[{"iid":2,"type":"urn:s:service:s",)"
                    R"("properties":[{"iid":1,"type":"urn:s:property:p","access":["read"],)" +
                    fields + "}]}]}")
      .value();
}

TEST_CASE("changes of allowed values") {
  constexpr const char* kWhole =
      R"("format":"int64","value-range":[-9223372036854775808,9223372036854775807,1])";
  using U = Upgrade;
  const ValueRow row = GENERATE_COPY(
      ValueRow{"higher end", R"("format":"uint8","value-range":[0,100,1])",
               R"("format":"uint8","value-range":[0,200,1])", U::kWidening},
      ValueRow{"lower end", R"("format":"uint8","value-range":[0,100,1])",
               R"("format":"uint8","value-range":[0,99,1])", U::kBreaking},
      ValueRow{"moved", R"("format":"uint16","value-range":[1,100,1])",
               R"("format":"uint16","value-range":[3000,5000,1])", U::kBreaking},
      ValueRow{"a finer step", R"("format":"uint8","value-range":[0,100,10])",
               R"("format":"uint8","value-range":[0,100,5])", U::kWidening},
      ValueRow{"a coarser step", R"("format":"uint8","value-range":[0,100,5])",
               R"("format":"uint8","value-range":[0,100,10])", U::kBreaking},
      ValueRow{"a finer step that misses old values", R"("format":"uint8","value-range":[0,100,5])",
               R"("format":"uint8","value-range":[0,100,2])", U::kBreaking},
      ValueRow{"a wider range off the old grid", R"("format":"uint8","value-range":[2,10,2])",
               R"("format":"uint8","value-range":[1,11,2])", U::kBreaking},
      ValueRow{"one value, any step", R"("format":"uint8","value-range":[4,4,3])",
               R"("format":"uint8","value-range":[0,8,4])", U::kWidening},
      ValueRow{"a range comes", R"("format":"uint8")",
               R"("format":"uint8","value-range":[0,100,1])", U::kBreaking},
      ValueRow{"a range of all the format holds", R"("format":"uint8")",
               R"("format":"uint8","value-range":[0,255,1])", U::kSame},
      ValueRow{"a range goes", R"("format":"uint8","value-range":[0,100,1])", R"("format":"uint8")",
               U::kWidening},
      ValueRow{"all of int64", kWhole, R"("format":"int64")", U::kSame},
      ValueRow{"beyond 2^53, the last value goes",
               R"("format":"int64","value-range":[0,9007199254740993,1])",
               R"("format":"int64","value-range":[0,9007199254740992,1])", U::kBreaking},
      ValueRow{"a list grows", R"("format":"uint8","value-list":[{"value":1}])",
               R"("format":"uint8","value-list":[{"value":0},{"value":1}])", U::kWidening},
      ValueRow{"a list shrinks", R"("format":"int8","value-list":[{"value":-1},{"value":1}])",
               R"("format":"int8","value-list":[{"value":1}])", U::kBreaking},
      ValueRow{"a list in another order",
               R"("format":"uint8","value-list":[{"value":1},{"value":2}])",
               R"("format":"uint8","value-list":[{"value":2},{"value":1}])", U::kSame},
      ValueRow{"a list becomes a wider range",
               R"("format":"uint8","value-list":[{"value":1},{"value":2}])",
               R"("format":"uint8","value-range":[0,3,1])", U::kWidening},
      ValueRow{"a list becomes the range of its values",
               R"("format":"uint8","value-list":[{"value":1},{"value":2}])",
               R"("format":"uint8","value-range":[1,2,1])", U::kSame},
      ValueRow{"a list becomes a range that misses one",
               R"("format":"uint8","value-list":[{"value":1},{"value":2},{"value":9}])",
               R"("format":"uint8","value-range":[1,8,1])", U::kBreaking},
      ValueRow{"a list goes", R"("format":"uint8","value-list":[{"value":1}])",
               R"("format":"uint8")", U::kWidening},
      ValueRow{"a range becomes a longer list", R"("format":"uint8","value-range":[1,3,2])",
               R"("format":"uint8","value-list":[{"value":3},{"value":1},{"value":7}])",
               U::kWidening},
      ValueRow{
          "a range becomes a list that misses one", R"("format":"uint8","value-range":[1,3,1])",
          R"("format":"uint8","value-list":[{"value":3},{"value":1},{"value":7}])", U::kBreaking},
      ValueRow{"the widest range becomes a list", kWhole,
               R"("format":"int64","value-list":[{"value":3}])", U::kBreaking},
      ValueRow{"floats: higher end", R"("format":"float","value-range":[16,30,0.5])",
               R"("format":"float","value-range":[16,31,0.5])", U::kWidening},
      ValueRow{"floats: a finer step", R"("format":"float","value-range":[16,30,0.5])",
               R"("format":"float","value-range":[16,30,0.1])", U::kWidening},
      ValueRow{"floats: a finer step that misses", R"("format":"float","value-range":[16,30,0.5])",
               R"("format":"float","value-range":[16,30,0.2])", U::kBreaking},
      ValueRow{"floats: a coarser step", R"("format":"float","value-range":[16,30,0.1])",
               R"("format":"float","value-range":[16,30,0.5])", U::kBreaking},
      ValueRow{"floats: a range goes", R"("format":"float","value-range":[0,1,0.1])",
               R"("format":"float")", U::kWidening},
      ValueRow{"floats: a range comes", R"("format":"float")",
               R"("format":"float","value-range":[0,1,0.1])", U::kBreaking},
      ValueRow{"floats: off the old grid", R"("format":"float","value-range":[0,1,0.1])",
               R"("format":"float","value-range":[-0.05,1.05,0.1])", U::kBreaking},
      ValueRow{"floats: a list becomes a range", R"("format":"float","value-list":[{"value":1}])",
               R"("format":"float","value-range":[0,1,0.1])", U::kWidening},
      ValueRow{"floats: a range becomes a list", R"("format":"float","value-range":[0,1,1])",
               R"("format":"float","value-list":[{"value":0},{"value":1}])", U::kSame},
      ValueRow{
          "floats: a range becomes a list that misses", R"("format":"float","value-range":[0,2,1])",
          R"("format":"float","value-list":[{"value":0},{"value":2},{"value":3}])", U::kBreaking});
  INFO(row.name);
  const Comparison comparison = Compare(WithFields(row.was), WithFields(row.now));
  INFO(Differences(comparison));
  CHECK(comparison.upgrade == row.upgrade);
}

TEST_CASE("the values that changed are named") {
  const Comparison comparison =
      Compare(WithFields(R"("format":"uint8","value-range":[1,100,1])"),
              WithFields(R"("format":"uint8","value-list":[{"value":1},{"value":2}])"));
  CHECK(Differences(comparison) == "property s.p (2.1): values was 1..100 step 1, is 1, 2\n");
}

TEST_CASE("the gravest difference decides") {
  const std::string wider =
      With(std::string(kLampSpec), R"("access": ["write"])", R"("access": ["write", "notify"])");
  const Model both = ParseModel(With(wider, R"("out": [4])", R"("out": [])")).value();
  CHECK(Compare(Lamp(), both).upgrade == Upgrade::kBreaking);
  CHECK(Compare(Lamp(), both).differences.size() == 2);
}

}  // namespace
}  // namespace homeport::model
