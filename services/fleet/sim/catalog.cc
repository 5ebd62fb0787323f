#include <array>

#include "services/fleet/sim/kind.h"
#include "services/fleet/sim/models.h"

// The kinds of devices as tables: what each property does by itself, and when it is reported.
namespace homeport::fleet {
namespace {

using report_class::kAirQuality;
using report_class::kBattery;
using report_class::kBrightness;
using report_class::kColorTemperature;
using report_class::kHour;
using report_class::kHumidity;
using report_class::kOccupancy;
using report_class::kOnOff;
using report_class::kPosition;
using report_class::kTemperature;

using KindSpecs = std::array<KindSpec, 9>;

constexpr double kMinute = 60;
constexpr double kDay = 24 * kHour;

constexpr PropertyRule kLampRules[] = {
    {"light.on", kOnOff, Signal::kToggle, 1, 0, 2 * kHour},
    {"light.mode", kOnOff, Signal::kPick, 0, 0, 12 * kHour},
    {"light.brightness", kBrightness, Signal::kPick, 80, 0, 3 * kHour},
    {"light.color-temperature", kColorTemperature, Signal::kPick, 4000, 0, 6 * kHour},
};

constexpr PropertyRule kPlugRules[] = {
    {"switch.on", kOnOff, Signal::kToggle, 1, 0, 2 * kHour},
    {"power-consumption.electric-power", report_class::kPower, Signal::kPower, 60, 0.05, 0,
     "switch.on"},
    {"power-consumption.power-consumption", report_class::kEnergy, Signal::kEnergy, 12, 0, 0,
     "power-consumption.electric-power"},
    {"indicator-light.on", kOnOff, Signal::kHeld, 1},
};

constexpr PropertyRule kThermometerRules[] = {
    {"temperature-humidity-sensor.temperature", kTemperature, Signal::kDaily, 21, 3},
    {"temperature-humidity-sensor.relative-humidity", kHumidity, Signal::kDaily, 48, 9},
    {"battery.battery-level", kBattery, Signal::kDrain, 90, 0, 4 * kDay},
};

constexpr PropertyRule kDoorRules[] = {
    {"magnet-sensor.contact-state", kOccupancy, Signal::kToggle, 1, 0, 30 * kMinute},
    {"battery.battery-level", kBattery, Signal::kDrain, 95, 0, 5 * kDay},
};
constexpr EventRule kDoorEvents[] = {
    {"magnet-sensor.contact-state", "magnet-sensor.close", "magnet-sensor.open"}};

constexpr PropertyRule kVacuumRules[] = {
    {"vacuum.status", kOnOff, Signal::kHeld, 4},
    {"vacuum.fault", kOnOff, Signal::kHeld, 0},
    {"vacuum.mode", kOnOff, Signal::kPick, 1, 0, kDay},
    {"battery.battery-level", kBrightness, Signal::kHeld, 100},
    {"battery.charging-state", kOnOff, Signal::kHeld, 1},
    {"cleaning.area", kAirQuality, Signal::kHeld, 0},
    {"cleaning.duration", ReportClass{10, kHour, 60}, Signal::kHeld, 0},
};

constexpr PropertyRule kPurifierRules[] = {
    {"air-purifier.on", kOnOff, Signal::kToggle, 1, 0, 6 * kHour},
    {"air-purifier.mode", kOnOff, Signal::kPick, 0, 0, 8 * kHour},
    {"air-purifier.fan-level", kOnOff, Signal::kPick, 1, 0, 4 * kHour},
    {"air-purifier.fault", kOnOff, Signal::kHeld, 0},
    {"environment.pm2.5-density", kAirQuality, Signal::kWalk, 25, 20, 30 * kMinute},
    {"environment.relative-humidity", kHumidity, Signal::kDaily, 45, 8},
    {"environment.temperature", kTemperature, Signal::kDaily, 22, 2},
    {"filter.filter-life-level", kBattery, Signal::kDrain, 70, 0, 2 * kDay},
    {"filter.filter-left-time", kBattery, Signal::kHeld, 120},
};

constexpr PropertyRule kCurtainRules[] = {
    {"curtain.current-position", kPosition, Signal::kHeld, 0},
    {"curtain.target-position", kPosition, Signal::kPick, 0, 0, 6 * kHour},
    {"curtain.status", kOnOff, Signal::kHeld, 0},
};

constexpr PropertyRule kLeakRules[] = {
    {"submersion-sensor.submersion-state", kOccupancy, Signal::kToggle, 0, 0, kDay},
    {"battery.battery-level", kBattery, Signal::kDrain, 85, 0, 6 * kDay},
};
constexpr EventRule kLeakEvents[] = {{"submersion-sensor.submersion-state",
                                      "submersion-sensor.submersion-detected",
                                      "submersion-sensor.no-submersion"}};

constexpr PropertyRule kHubRules[] = {
    {"gateway.guard-mode", kOnOff, Signal::kToggle, 0, 0, kDay},
};
constexpr ChildSpec kHubChildren[] = {
    {"thermometer", "ble"}, {"thermometer", "ble"}, {"door", "zigbee"}, {"leak", "zigbee"}};

KindSpecs MakeSpecs() {
  KindSpecs kinds;
  kinds[0] = {.name = "lamp",
              .product = "homeport.light.lamp1",
              .title = "Table Lamp",
              .model_json = models::kLamp,
              .share = 8,
              .follows_shadow = true,
              .properties = kLampRules};
  kinds[1] = {.name = "plug",
              .product = "homeport.plug.plug1",
              .title = "Wall Plug",
              .model_json = models::kPlug,
              .share = 5,
              .may_fall_silent = true,
              .properties = kPlugRules};
  kinds[2] = {.name = "thermometer",
              .product = "homeport.sensor-ht.th1",
              .title = "Thermometer",
              .model_json = models::kThermometer,
              .share = 5,
              .may_fall_silent = true,
              .properties = kThermometerRules};
  kinds[3] = {.name = "door",
              .product = "homeport.magnet.door1",
              .title = "Door Sensor",
              .model_json = models::kDoor,
              .share = 5,
              .may_fall_silent = true,
              .properties = kDoorRules,
              .events = kDoorEvents};
  kinds[4] = {.name = "vacuum",
              .product = "homeport.vacuum.robo1",
              .title = "Robot Vacuum",
              .model_json = models::kVacuum,
              .share = 2,
              .behaviour = Behaviour::kVacuum,
              .properties = kVacuumRules};
  kinds[5] = {.name = "purifier",
              .product = "homeport.airp.air1",
              .title = "Air Purifier",
              .model_json = models::kPurifier,
              .share = 2,
              .properties = kPurifierRules};
  kinds[6] = {.name = "curtain",
              .product = "homeport.curtain.cur1",
              .title = "Curtain Motor",
              .model_json = models::kCurtain,
              .share = 3,
              .behaviour = Behaviour::kCurtain,
              .properties = kCurtainRules};
  kinds[7] = {.name = "hub",
              .product = "homeport.gateway.hub1",
              .title = "Hub with Sensors",
              .model_json = models::kHub,
              .share = 1,
              .properties = kHubRules,
              .children = kHubChildren};
  kinds[8] = {.name = "leak",
              .product = "homeport.flood.leak1",
              .title = "Water Leak Sensor",
              .model_json = models::kLeak,
              .share = 0,
              .properties = kLeakRules,
              .events = kLeakEvents};
  return kinds;
}

}  // namespace

std::span<const KindSpec> Catalog() {
  static const KindSpecs kKinds = MakeSpecs();
  return kKinds;
}

}  // namespace homeport::fleet
