#include "libs/model/model.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

TEST_CASE("a model keeps what its spec says") {
  const Model lamp = Lamp();
  CHECK(lamp.urn() == "urn:miot-spec-v2:device:light:0000A001:acme-lamp1:2:0000C814");
  CHECK(lamp.description() == "Lamp");
  CHECK(lamp.services().size() == 4);
  CHECK(lamp.properties().size() == 11);

  const Property* brightness = lamp.FindProperty(2, 3);
  REQUIRE(brightness != nullptr);
  CHECK(brightness->path == "light.brightness");
  CHECK(brightness->key == "brightness");
  CHECK(brightness->format == Format::kUint8);
  CHECK(brightness->access == (kRead | kWrite | kNotify));
  CHECK(brightness->unit == "percentage");
  const auto* range = std::get_if<IntRange>(&brightness->constraint);
  REQUIRE(range != nullptr);
  CHECK(range->min == 1);
  CHECK(range->max == 99);
  CHECK(range->step == 2);

  const auto* list = std::get_if<ValueList>(&lamp.FindProperty(2, 2)->constraint);
  REQUIRE(list != nullptr);
  REQUIRE(list->size() == 2);
  CHECK((*list)[0].value == -1);
  CHECK((*list)[1].description == "Day");

  const Action* dim = lamp.FindAction(2, 2);
  REQUIRE(dim != nullptr);
  CHECK(std::vector<uint16_t>(dim->in.begin(), dim->in.end()) == std::vector<uint16_t>{3, 9});
  CHECK(dim->out.size() == 1);
  CHECK(lamp.FindEvent(2, 1)->arguments.size() == 2);
}

TEST_CASE("int64 ranges are exact") {
  const Model lamp = Lamp();
  const auto* range = std::get_if<IntRange>(&lamp.FindProperty(2, 10)->constraint);
  REQUIRE(range != nullptr);
  CHECK(range->min == INT64_MIN);
  CHECK(range->max == INT64_MAX);
}

TEST_CASE("lookups by number and by path agree") {
  const Model lamp = Lamp();
  for (const Property& property : lamp.properties()) {
    CHECK(lamp.FindProperty(property.siid, property.piid) == &property);
    CHECK(lamp.FindProperty(property.path) == &property);
  }
  for (const Action& action : lamp.actions()) {
    CHECK(lamp.FindAction(action.siid, action.aiid) == &action);
    CHECK(lamp.FindAction(action.path) == &action);
  }
  for (const Event& event : lamp.events()) {
    CHECK(lamp.FindEvent(event.siid, event.eiid) == &event);
    CHECK(lamp.FindEvent(event.path) == &event);
  }
  for (const Service& service : lamp.services()) {
    CHECK(lamp.FindService(service.siid) == &service);
    CHECK(lamp.FindService(service.key) == &service);
  }
  CHECK(lamp.FindProperty(2, 5) == nullptr);
  CHECK(lamp.FindProperty(9, 1) == nullptr);
  CHECK(lamp.FindProperty(65536 + 2, 1) == nullptr);
  CHECK(lamp.FindProperty("light.none") == nullptr);
  CHECK(lamp.FindProperty("") == nullptr);
  CHECK(lamp.FindService(8) == nullptr);
  CHECK(lamp.FindAction("light.on") == nullptr);
}

TEST_CASE("a service knows its own parts") {
  const Model lamp = Lamp();
  const Service* light = lamp.FindService("light");
  REQUIRE(light != nullptr);
  CHECK(light->properties.size() == 7);
  CHECK(light->properties.front().path == "light.on");
  CHECK(light->actions.size() == 2);
  CHECK(light->events.size() == 1);
}

TEST_CASE("a moved model keeps its parts where they are") {
  Model lamp = Lamp();
  const Property* on = lamp.FindProperty("light.on");
  const Model moved = std::move(lamp);
  CHECK(moved.FindProperty("light.on") == on);
  CHECK(on->path == "light.on");
}

}  // namespace
}  // namespace homeport::model
