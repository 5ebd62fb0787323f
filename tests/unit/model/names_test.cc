#include "libs/model/names.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

TEST_CASE("the name in a URN") {
  struct Row {
    const char* urn;
    const char* name;
  };
  const Row row =
      GENERATE(Row{"urn:miot-spec-v2:property:on:00000006:acme-lamp1:1", "on"},
               Row{"urn:miot-spec-v2:property:on:00000006:acme-lamp1:1:0000C814", "on"},
               Row{"urn:miot-spec-v2:property:pm2.5-density:00000034", "pm2.5-density"},
               Row{"urn:miot-spec-v2:property:on", "on"}, Row{"urn:s:event:关闭:00005005", "关闭"});
  INFO(row.urn);
  CHECK(NameFromUrn(row.urn) == row.name);
}

TEST_CASE("siblings get different keys") {
  struct Row {
    const char* name;
    std::vector<NamedPart> parts;
    std::vector<std::string> keys;
  };
  const Row row = GENERATE(
      Row{"all different", {{"a", 1}, {"b", 2}}, {"a", "b"}},
      Row{"every one of a shared name", {{"a", 1}, {"b", 2}, {"a", 3}}, {"a-1", "b", "a-3"}},
      Row{"a suffix that is another's name",
          {{"a", 1}, {"a", 2}, {"a-2", 9}},
          {"a-1", "a-2", "a-2-9"}},
      Row{"and again",
          {{"a", 1}, {"a", 2}, {"a-2", 9}, {"a-2-9", 5}},
          {"a-1", "a-2", "a-2-9", "a-2-9-5"}},
      Row{"none", {}, {}});
  INFO(row.name);
  CHECK(AssignKeys(row.parts) == row.keys);
}

TEST_CASE("a repeated service and a repeated property on paths") {
  const Model lamp = Lamp();
  CHECK(lamp.FindProperty(3, 1)->path == "switch-3.on");
  CHECK(lamp.FindProperty(7, 1)->path == "switch-7.on-1");
  CHECK(lamp.FindProperty(7, 2)->path == "switch-7.on-2");
  CHECK(lamp.FindService("switch") == nullptr);
}

}  // namespace
}  // namespace homeport::model
