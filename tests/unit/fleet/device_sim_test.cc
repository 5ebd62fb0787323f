#include "services/fleet/sim/device_sim.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace homeport::fleet {
namespace {

std::unique_ptr<Kind> KindNamed(std::string_view name) {
  for (const KindSpec& spec : Catalog()) {
    if (spec.name == name) return MakeKind(spec).value();
  }
  return nullptr;
}

std::vector<std::string> Paths(const DeviceSim::Properties& properties) {
  std::vector<std::string> paths;
  for (const model::Property* property : properties) paths.emplace_back(property->path);
  return paths;
}

void Settle(DeviceSim* device) { (void)device->TakeAll(); }

DeviceSim::ActionResult Act(DeviceSim* device, std::string_view path) {
  return device->Act(*device->kind().model.FindAction(path), {});
}

TEST_CASE("a command's changes are reported at once, and only once") {
  const auto kind = KindNamed("lamp");
  DeviceSim lamp(*kind, "lamp-1", 1);
  Settle(&lamp);
  lamp.Set(*kind->model.FindProperty("light.brightness"), 55);
  CHECK(Paths(lamp.TakeCommanded()) == std::vector<std::string>{"light.brightness"});
  CHECK(lamp.TakeCommanded().empty());
  CHECK(lamp.TakeDue().empty());
  CHECK(lamp.Number("light.brightness") == 55);
}

TEST_CASE("a lamp is left alone for a minute after a command") {
  const auto kind = KindNamed("lamp");
  DeviceSim lamp(*kind, "lamp-1", 1);
  lamp.Set(*kind->model.FindProperty("light.brightness"), 55);
  lamp.Advance({1e7, 59});
  CHECK(lamp.Number("light.brightness") == 55);
  lamp.Advance({1e7, 2});
  CHECK(lamp.Number("light.brightness") != 55);
}

TEST_CASE("toggle flips the switch of its service") {
  const auto kind = KindNamed("plug");
  DeviceSim plug(*kind, "plug-1", 1);
  CHECK(Act(&plug, "switch.toggle").code == model::Code::kOk);
  CHECK(plug.Number("switch.on") == 0);
  plug.Advance({1, 1});
  CHECK(plug.Number("power-consumption.electric-power") == 0);
}

TEST_CASE("energy is the integral of power") {
  const auto kind = KindNamed("plug");
  DeviceSim plug(*kind, "plug-1", 1);
  plug.Set(*kind->model.FindProperty("switch.on"), true);
  const double before = plug.Number("power-consumption.power-consumption");
  for (int minute = 0; minute < 60; ++minute) plug.Advance({60, 0.01});
  const double used = plug.Number("power-consumption.power-consumption") - before;
  CHECK(used == Approx(0.06).margin(0.005));
}

TEST_CASE("a curtain takes its time, reports where it is, and stops where it should") {
  const auto kind = KindNamed("curtain");
  DeviceSim curtain(*kind, "curtain-1", 1);
  CHECK(Act(&curtain, "curtain.open").code == model::Code::kAccepted);
  CHECK(curtain.moving());
  CHECK(curtain.Number("curtain.status") == 1);
  for (int i = 0; i < 10; ++i) curtain.Advance({0.5, 0.5});
  CHECK(curtain.Number("curtain.current-position") == 50);
  const auto stopped = Act(&curtain, "curtain.stop");
  CHECK(stopped.out == json::Array{json::Value(50)});
  CHECK_FALSE(curtain.moving());
  curtain.Set(*kind->model.FindProperty("curtain.target-position"), 20);
  CHECK(curtain.Number("curtain.status") == 2);
  for (int i = 0; i < 20; ++i) curtain.Advance({0.5, 0.5});
  CHECK(curtain.Number("curtain.current-position") == 20);
  CHECK_FALSE(curtain.moving());
  CHECK(curtain.Number("curtain.status") == 0);
}

TEST_CASE("a vacuum sweeps until its battery is low, tells of it, and charges") {
  const auto kind = KindNamed("vacuum");
  DeviceSim vacuum(*kind, "vacuum-1", 1);
  CHECK(Act(&vacuum, "vacuum.start-sweep").out == json::Array{json::Value(2)});
  std::vector<std::string> events;
  bool charged = false;
  for (int minute = 0; minute < 300 && !charged; ++minute) {
    vacuum.Advance({60, 0.01});
    for (const auto& event : vacuum.TakeEvents()) events.emplace_back(event.event->path);
    charged = vacuum.Number("vacuum.status") == 4;
  }
  CHECK(charged);
  CHECK(events == std::vector<std::string>{"vacuum.sweep-complete", "cleaning.report"});
  CHECK(Act(&vacuum, "battery.start-charge").code == model::Code::kAccepted);
  CHECK(vacuum.Number("vacuum.status") == 4);
}

TEST_CASE("a door tells of each opening and closing") {
  const auto kind = KindNamed("door");
  DeviceSim door(*kind, "door-1", 1);
  Settle(&door);
  std::string last;
  int events = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    door.Advance({60, 1});
    for (const auto& event : door.TakeEvents()) {
      const std::string path(event.event->path);
      CHECK(path != last);
      CHECK((path == "magnet-sensor.close") == (door.Number("magnet-sensor.contact-state") == 1));
      last = path;
      ++events;
    }
  }
  CHECK(events > 10);
}

TEST_CASE("the stalest property is another one each time") {
  const auto kind = KindNamed("purifier");
  DeviceSim purifier(*kind, "purifier-1", 1);
  Settle(&purifier);
  purifier.Advance({100, 100});
  const auto first = Paths(purifier.TakeStalest());
  const auto second = Paths(purifier.TakeStalest());
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(first != second);
}

TEST_CASE("the same seed lives the same life") {
  const auto kind = KindNamed("purifier");
  DeviceSim a(*kind, "purifier-1", 42);
  DeviceSim b(*kind, "purifier-1", 42);
  for (int i = 0; i < 1000; ++i) {
    a.Advance({30, 30});
    b.Advance({30, 30});
  }
  for (const model::Property& property : kind->model.properties()) {
    CHECK(a.Get(property) == b.Get(property));
  }
}

}  // namespace
}  // namespace homeport::fleet
