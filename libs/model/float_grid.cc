#include "libs/model/float_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace homeport::model {
namespace {

constexpr double kTolerance = 1e-6;
constexpr double kStepShare = 0.01;
constexpr double kExactBelow = 0x1p53;  // whole numbers up to here are exact

double SlackOf(const FloatRange& range, double value) {
  const double magnitude = std::fabs(value);
  const double slack =
      std::min(kTolerance * std::max(magnitude, range.step), range.step * kStepShare);
  const bool is_single = magnitude <= std::numeric_limits<float>::max() &&
                         static_cast<double>(static_cast<float>(value)) == value;
  if (!is_single || value == 0) return slack;
  int exponent = 0;
  static_cast<void>(std::frexp(magnitude, &exponent));
  constexpr int kSingleBits = 24;
  return std::max(slack, std::ldexp(1, exponent - kSingleBits - 1));
}

bool IsWhole(double value) {
  return std::fabs(value) < kExactBelow &&
         std::fabs(value - std::round(value)) <= 1e-9 * std::max(1.0, std::fabs(value));
}

// What min and step have to be multiplied with to be whole numbers; 0: no power of ten up to 1e12.
double ScaleOf(const FloatRange& range) {
  constexpr double kScaleMax = 1e12;
  for (double scale = 1; scale <= kScaleMax; scale *= 10) {
    if (IsWhole(range.min * scale) && IsWhole(range.step * scale)) return scale;
  }
  return 0;
}

}  // namespace

GridPlace PlaceOnGrid(const FloatRange& range, double value) {
  const double slack = SlackOf(range, value);
  const double beyond = std::min(slack, range.step / 2);
  // Differences: they are exact for neighbours, where a sum would round to the neighbour.
  if (range.min - value > beyond || value - range.max > beyond) return GridPlace::kOutside;
  const double steps = (value - range.min) / range.step;
  const double off = std::fabs(steps - std::round(steps)) * range.step;
  return off <= slack ? GridPlace::kOn : GridPlace::kBetween;
}

double NearestOnGrid(const FloatRange& range, double value) {
  const double scale = ScaleOf(range);
  if (scale == 0) return value;
  const double last = std::round((range.max - range.min) / range.step);
  const double place = std::clamp(std::round((value - range.min) / range.step), 0.0, last);
  // Whole numbers until the division, which rounds once: to the double of the decimal.
  const double scaled = std::round(range.min * scale) + place * std::round(range.step * scale);
  return std::fabs(scaled) < kExactBelow ? scaled / scale : value;
}

}  // namespace homeport::model
