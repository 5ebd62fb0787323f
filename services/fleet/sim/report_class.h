#pragma once

#include <limits>

namespace homeport::fleet {

// When a device reports a property, as Zigbee's reporting configuration and MIoT-Spec-V3's report
// rules have it: at a change of at least `change` (0: any), but not within `min_s` of the last
// report; and without a change after `max_s`.
struct ReportClass {
  double min_s = 0;
  double max_s = 0;
  double change = 0;
};

// Values that devices of the trade are shipped with.
namespace report_class {
inline constexpr double kHour = 3600;
inline constexpr double kRarely = 65000;
inline constexpr ReportClass kOnOff{0, kHour, 0};
inline constexpr ReportClass kOccupancy{0, kHour, 0};
inline constexpr ReportClass kBrightness{1, kHour, 1};
inline constexpr ReportClass kColorTemperature{0, kHour, 1};
inline constexpr ReportClass kPosition{1, kRarely, 1};
inline constexpr ReportClass kTemperature{10, kHour, 1};
inline constexpr ReportClass kHumidity{10, kHour, 1};
inline constexpr ReportClass kAirQuality{10, kHour, 5};
inline constexpr ReportClass kPower{5, kHour, 1};
inline constexpr ReportClass kEnergy{5, kHour, 0.01};
inline constexpr ReportClass kBattery{kHour, kRarely, 0};
}  // namespace report_class

// What was last reported of one property, and whether that is still good enough. Pure: times are
// seconds of the device's own clock.
class ReportGate {
 public:
  [[nodiscard]] bool Due(const ReportClass& rules, double now_s, double value) const;

  // The share of `max_s` that has passed since the last report; above 1 when there was none.
  [[nodiscard]] double Staleness(const ReportClass& rules, double now_s) const;

  void Reported(double now_s, double value) {
    reported_s_ = now_s;
    value_ = value;
  }

 private:
  double reported_s_ = -std::numeric_limits<double>::infinity();
  double value_ = 0;
};

}  // namespace homeport::fleet
