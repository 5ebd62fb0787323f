#include "libs/model/parse.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/base/strings.h"
#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

// A spec of one service with these lists.
std::string WithLists(const std::string& lists) {
  return R"({"type":"urn:s:device:lamp","services":[{"iid":2,"type":"urn:s:service:light",)" +
         lists + "}]}";
}

std::string WithProperty(const std::string& fields) {
  return WithLists(R"("properties":[{"iid":1,"type":"urn:s:property:p","access":["read"],)" +
                   fields + "}]");
}

TEST_CASE("what the platform serves is accepted") {
  struct Row {
    const char* name;
    std::string spec;
    size_t properties;
  };
  const Row row = GENERATE(
      Row{"wrapped in a catalogue line",
          R"({"model":"a.b.c","instance":{"type":"urn:s:device:d"}})", 0},
      Row{"no services", R"({"type":"urn:s:device:lamp"})", 0},
      Row{"null lists",
          WithLists(
              R"("properties":null,"actions":[{"iid":1,"type":"urn:s:action:x","in":null,"out":null}])"),
          0},
      Row{"empty access", WithProperty(R"("format":"bool","access":[])"), 1},
      Row{"unknown fields", WithProperty(R"("format":"bool","source":1,"gatt-access":["x"])"), 1},
      Row{"null range and list",
          WithProperty(R"("format":"int8","value-range":null,"value-list":null)"), 1},
      Row{"empty list", WithProperty(R"("format":"int8","value-list":[])"), 1},
      Row{"whole range written as doubles",
          WithProperty(R"("format":"int8","value-range":[0.0,10.0,1.0])"), 1},
      Row{"description is no text", WithProperty(R"("format":"bool","description":5,"unit":null)"),
          1},
      Row{"iid 0",
          WithLists(
              R"("properties":[{"iid":0,"type":"urn:s:property:x","access":["read"],"format":"bool"}])"),
          1},
      Row{"first of two equal piids",
          WithLists(
              R"("properties":[{"iid":1,"type":"urn:s:property:a","access":["read"],"format":"bool"},)"
              R"({"iid":1,"type":"urn:s:property:b","access":["read"],"format":"int8"}])"),
          1});
  INFO(row.name);
  const absl::StatusOr<Model> model = ParseModel(row.spec);
  INFO(Message(model.status()));
  REQUIRE(model.ok());
  CHECK(model->properties().size() == row.properties);
  if (row.properties > 0) CHECK(model->properties()[0].siid == 2);
}

TEST_CASE("of equal piids the first counts") {
  const Model model =
      ParseModel(
          WithLists(
              R"("properties":[{"iid":1,"type":"urn:s:property:a","access":["read"],"format":"bool"},)"
              R"({"iid":1,"type":"urn:s:property:b","access":["read"],"format":"int8"}])"))
          .value();
  CHECK(model.FindProperty(2, 1)->path == "light.a");
  CHECK(model.FindProperty("light.b") == nullptr);
}

TEST_CASE("specs that are refused, with the place") {
  struct Row {
    std::string spec;
    const char* message;
  };
  const Row row = GENERATE(
      Row{"[]", "instance: not an object"}, Row{"{}", "type: missing or no text"},
      Row{R"({"type":5})", "type: missing or no text"},
      Row{R"({"type":"urn:s:service:d"})", "type: no URN of a device"},
      Row{R"({"type":"urn:s:device::1"})", "type: no URN of a device"},
      Row{R"({"type":"urn:s:device:d:light"})", "type: no URN of a device"},
      Row{R"({"type":"urn"})", "type: no URN of a device"},
      Row{WithLists(R"("properties":[{"iid":1,"type":"urn:s:action:x","format":"bool"}])"),
          "services[0].properties[0].type: no URN of a property"},
      Row{R"({"type":"urn:s:device:d","services":[{"type":"urn:s:service:x","iid":1},)"
          R"({"type":"urn:s:service:y","iid":1}]})",
          "services[1].iid: that of another one before"},
      Row{WithLists(R"("events":[{"iid":1,"type":"urn:s:event:x","arguments":[]},)"
                    R"({"iid":1,"type":"urn:s:event:y","arguments":[]}])"),
          "services[0].events[1].iid: that of another one before"},
      Row{WithProperty(R"("format":"int8","value-range":[0,10,0])"),
          "services[0].properties[0].value-range: min above max, or a step of 0 or below"},
      Row{WithProperty(R"("format":"int8","value-range":[0,10,4])"),
          "services[0].properties[0].value-range: max is no whole number of steps from min"},
      Row{WithProperty(R"("format":"float","value-range":[0,1,0.3])"),
          "services[0].properties[0].value-range: max is no whole number of steps from min"},
      Row{WithProperty(R"("format":"int8","value-list":[{"value":1},{"value":1}])"),
          "services[0].properties[0].value-list: a value stands twice"},
      Row{R"({"type":"urn:s:device:d","services":{}})", "services: not a list"},
      Row{R"({"type":"urn:s:device:d","services":[5]})", "services[0]: not an object"},
      Row{R"({"type":"urn:s:device:d","services":[{"type":"urn:s:service:x"}]})",
          "services[0].iid: missing or no integer of 0..65535"},
      Row{R"({"type":"urn:s:device:d","services":[{"type":"urn:s:service:x","iid":65536}]})",
          "services[0].iid: missing or no integer of 0..65535"},
      Row{R"({"type":"urn:s:device:d","services":[{"type":"urn:s:service:x","iid":1.5}]})",
          "services[0].iid: missing or no integer of 0..65535"},
      Row{WithProperty(R"("format":"int24")"),
          "services[0].properties[0].format: missing or unknown"},
      Row{WithProperty(R"("access":[])"), "services[0].properties[0].format: missing or unknown"},
      Row{WithProperty(R"("format":"bool","access":["fly"])"),
          "services[0].properties[0].access: something else than read, write, notify"},
      Row{WithProperty(R"("format":"int8","value-range":[1,2])"),
          "services[0].properties[0].value-range: not three numbers"},
      Row{WithProperty(R"("format":"int8","value-range":[1,2,"1"])"),
          "services[0].properties[0].value-range: not three numbers"},
      Row{WithProperty(R"("format":"int8","value-range":[1,2,0.5])"),
          "services[0].properties[0].value-range: no whole number for an integer format"},
      Row{WithProperty(R"("format":"int8","value-range":[0,128,1])"),
          "services[0].properties[0].value-range: beyond the format"},
      Row{WithProperty(R"("format":"int8","value-range":[2,1,1])"),
          "services[0].properties[0].value-range: min above max, or a step of 0 or below"},
      Row{WithProperty(R"("format":"float","value-range":[1,2,-1])"),
          "services[0].properties[0].value-range: min above max, or a step of 0 or below"},
      Row{WithProperty(R"("format":"bool","value-range":[0,1,1])"),
          "services[0].properties[0].value-range: on a bool or string"},
      Row{WithProperty(R"("format":"string","value-list":[{"value":1}])"),
          "services[0].properties[0].value-list: on a bool or string"},
      Row{WithProperty(R"("format":"uint8","value-list":[{"value":-1}])"),
          "services[0].properties[0].value-list: "
          "a value that is missing or does not fit the format"},
      Row{WithProperty(R"("format":"uint8","value-list":[{"value":1}],"value-range":[0,1,1])"),
          "services[0].properties[0].value-list: beside a value-range"},
      Row{WithLists(R"("properties":[{"iid":1,"type":"urn:s:property:x","format":"bool"}])"),
          "services[0].properties[0].access: missing"},
      Row{WithProperty(R"("format":"bool","access":null)"),
          "services[0].properties[0].access: not a list"},
      Row{WithLists(R"("actions":[{"iid":1,"type":"urn:s:action:x","out":[]}])"),
          "services[0].actions[0].in: missing"},
      Row{WithLists(R"("actions":[{"iid":1,"type":"urn:s:action:x","in":[]}])"),
          "services[0].actions[0].out: missing"},
      Row{WithLists(R"("events":[{"iid":1,"type":"urn:s:event:x"}])"),
          "services[0].events[0].arguments: missing"},
      Row{WithLists(R"("events":[{"iid":1,"type":"urn:s:event:x","arguments":null}])"),
          "services[0].events[0].arguments: not a list"},
      Row{WithLists(R"("actions":[{"iid":1,"type":"urn:s:action:x","in":[3],"out":[]}])"),
          "services[0].actions: iid 1 has piid 3, which its service does not"},
      Row{WithLists(R"("events":[{"iid":1,"type":"urn:s:event:x","arguments":["3"]}])"),
          "services[0].events[0].arguments: not a list of piids"});
  INFO(row.spec);
  const absl::StatusOr<Model> model = ParseModel(row.spec);
  REQUIRE_FALSE(model.ok());
  CHECK(absl::IsInvalidArgument(model.status()));
  CHECK(Message(model.status()) == row.message);
}

TEST_CASE("limits") {
  CHECK_FALSE(ParseModel(kLampSpec, {.bytes_max = 1000}).ok());
  CHECK(Message(ParseModel(kLampSpec, {.services_max = 3}).status()) == "services: too many");
  CHECK(Message(ParseModel(kLampSpec, {.parts_max = 10}).status()) ==
        "services[1].events: too many");
  CHECK(Message(ParseModel(kLampSpec, {.listed_values_max = 1}).status()) ==
        "services[1].properties[1].value-list: too many");
  CHECK_FALSE(ParseModel("not json").ok());
}

}  // namespace
}  // namespace homeport::model
