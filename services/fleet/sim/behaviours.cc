#include "services/fleet/sim/behaviours.h"

#include <algorithm>
#include <cmath>

#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::fleet {
namespace {

using Result = DeviceSim::ActionResult;
using model::Code;

// ---- plain: toggles, and a filter that can be reset ----

Result ActPlain(DeviceSim& device, const model::Action& action) {
  const std::string service(action.path.substr(0, action.path.find('.')));
  if (action.key == "toggle") {
    const std::string on = service + ".on";
    device.Write(on, device.Number(on) != 0 ? 0 : 1);
    return {};
  }
  if (action.key == "reset-filter-life") {
    device.Write("filter.filter-life-level", 100);
    device.Write("filter.filter-left-time", 180);
    return {};
  }
  return {Code::kNoAction, {}};
}

// ---- curtain: moves to its target at 10 % a second ----

constexpr double kCurtainPercentPerS = 10;
enum CurtainStatus { kStopped = 0, kOpening = 1, kClosing = 2 };
enum MotorControl { kMotorPause = 0, kMotorOpen = 1, kMotorClose = 2 };
constexpr std::string_view kPosition = "curtain.current-position";
constexpr std::string_view kTarget = "curtain.target-position";
constexpr std::string_view kCurtainStatus = "curtain.status";

void CurtainGo(DeviceSim& device) {
  const double way = device.Number(kTarget) - device.Number(kPosition);
  device.Write(kCurtainStatus, way > 0 ? kOpening : way < 0 ? kClosing : kStopped);
  device.set_moving(way != 0);
}

void CurtainAdvance(DeviceSim& device, const Passed& passed) {
  if (!device.moving()) return;
  const double position = device.Number(kPosition);
  const double way = device.Number(kTarget) - position;
  // A model of whole percents: each call moves at least one.
  const double step = std::max(1.0, std::round(kCurtainPercentPerS * passed.real_s));
  device.Write(kPosition, position + std::clamp(way, -step, step));
  if (std::abs(way) <= step) CurtainGo(device);
}

void CurtainWasSet(DeviceSim& device, const model::Property& property, bool by_hand) {
  if (property.key == "motor-control") {
    const auto control = static_cast<int>(device.Number("curtain.motor-control"));
    const double target = control == kMotorOpen    ? 100
                          : control == kMotorClose ? 0
                                                   : device.Number(kPosition);
    device.Write(kTarget, target);
  }
  if (by_hand) {
    device.Emit(device.Number(kTarget) > device.Number(kPosition)
                    ? "curtain.curtain-manually-opened"
                    : "curtain.curtain-manually-closed");
  }
  CurtainGo(device);
}

Result CurtainAct(DeviceSim& device, const model::Action& action) {
  const double position = device.Number(kPosition);
  device.Write(kTarget, action.key == "open" ? 100 : action.key == "close" ? 0 : position);
  CurtainGo(device);
  if (action.key != "stop") return {Code::kAccepted, {}};
  return {Code::kOk, {json::Value(static_cast<int64_t>(position))}};
}

// ---- vacuum: sweeps until its battery is low or the floor is clean, then charges ----

enum VacuumStatus { kIdle = 1, kSweeping = 2, kGoCharging = 3, kCharging = 4, kError = 5 };
enum ChargingState { kIsCharging = 1, kNotCharging = 2 };
constexpr std::string_view kStatus = "vacuum.status";
constexpr std::string_view kLevel = "battery.battery-level";
constexpr double kLowBattery = 20;
constexpr double kSweepPercentPerS = 1.0 / 60;
constexpr double kChargePercentPerS = 1.0 / 100;
constexpr double kSquareMetresPerS = 0.01;
constexpr double kSweepS = 2400;
constexpr double kHomewardS = 60;
constexpr double kSweepIntervalS = 6 * 3600;

void VacuumEnter(DeviceSim& device, VacuumStatus status) {
  device.Write(kStatus, status);
  device.Write("battery.charging-state", status == kCharging ? kIsCharging : kNotCharging);
}

void VacuumStart(DeviceSim& device) {
  device.Write("cleaning.area", 0);
  device.Write("cleaning.duration", 0);
  VacuumEnter(device, kSweeping);
}

// Whole percents, the rest by chance: the mean is right whatever the steps of time.
void MoveLevel(DeviceSim& device, double percent) {
  const double whole = std::floor(std::abs(percent));
  const double chance = std::abs(percent) - whole;
  const bool more = std::uniform_real_distribution<double>(0, 1)(device.random()) < chance;
  const double step = std::copysign(whole + (more ? 1 : 0), percent);
  device.Write(kLevel, std::clamp(device.Number(kLevel) + step, 0.0, 100.0));
}

void VacuumSweep(DeviceSim& device, double seconds) {
  MoveLevel(device, -kSweepPercentPerS * seconds);
  device.Write("cleaning.area",
               std::min(1000.0, device.Number("cleaning.area") + kSquareMetresPerS * seconds));
  device.Write("cleaning.duration", device.Number("cleaning.duration") + std::round(seconds));
  const double duration = device.Number("cleaning.duration");
  const bool low = device.Number(kLevel) <= kLowBattery;
  if (!low && duration < kSweepS) return;
  if (low)
    device.Emit("battery.low-battery", {json::Value(static_cast<int64_t>(device.Number(kLevel)))});
  device.Emit("vacuum.sweep-complete");
  device.Emit("cleaning.report", {json::Value(device.Number("cleaning.area")),
                                  json::Value(static_cast<int64_t>(duration))});
  VacuumEnter(device, kGoCharging);
}

void VacuumAdvance(DeviceSim& device, const Passed& passed) {
  switch (static_cast<int>(device.Number(kStatus))) {
    case kSweeping:
      return VacuumSweep(device, passed.device_s);
    case kGoCharging:
      if (device.Happens(passed.device_s, kHomewardS)) VacuumEnter(device, kCharging);
      return;
    case kCharging:
      MoveLevel(device, kChargePercentPerS * passed.device_s);
      [[fallthrough]];
    default:
      if (device.left_alone() || device.Number(kLevel) <= kLowBattery) return;
      if (device.Happens(passed.device_s, kSweepIntervalS)) VacuumStart(device);
  }
}

Result VacuumAct(DeviceSim& device, const model::Action& action) {
  const auto status = static_cast<int>(device.Number(kStatus));
  if (action.key == "start-sweep") {
    if (status == kError || device.Number(kLevel) < 1) return {Code::kWrongState, {}};
    VacuumStart(device);
    return {Code::kOk, {json::Value(int64_t{kSweeping})}};
  }
  if (action.key == "stop-sweeping") {
    if (status == kSweeping) VacuumEnter(device, kIdle);
    return {Code::kOk, {json::Value(static_cast<int64_t>(device.Number(kStatus)))}};
  }
  if (action.key == "start-charge") {
    if (status != kCharging) VacuumEnter(device, kGoCharging);
    return {Code::kAccepted, {}};
  }
  return {Code::kNoAction, {}};
}

}  // namespace

const BehaviourFunctions& FunctionsOf(Behaviour behaviour) {
  static constexpr BehaviourFunctions kPlainFunctions{nullptr, nullptr, &ActPlain};
  static constexpr BehaviourFunctions kCurtainFunctions{&CurtainAdvance, &CurtainWasSet,
                                                        &CurtainAct};
  static constexpr BehaviourFunctions kVacuumFunctions{&VacuumAdvance, nullptr, &VacuumAct};
  switch (behaviour) {
    case Behaviour::kPlain:
      return kPlainFunctions;
    case Behaviour::kCurtain:
      return kCurtainFunctions;
    case Behaviour::kVacuum:
      return kVacuumFunctions;
  }
  HP_CHECK(false);
}

}  // namespace homeport::fleet
