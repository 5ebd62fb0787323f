#pragma once

#include <cstdint>

#include "libs/model/model.h"

namespace homeport::model {

// The values of a float range: min, min + step, .. max, as decimals. Pure: any thread.

enum class GridPlace : uint8_t { kOn, kBetween, kOutside };

// Devices compute in single precision and print few digits: 25.3 arrives as 25.299999237. So a
// value is on the grid within 1e-6 of its magnitude, but no more than a hundredth of a step; one
// that single precision can hold also within half of that format's resolution there, since it
// cannot say more. At the ends it is never more than half a step: what is nearer to a value beyond
// them is outside.
[[nodiscard]] GridPlace PlaceOnGrid(const FloatRange& range, double value);

// The grid's value nearest to `value`, as the double nearest to its decimal: 25.3 for
// 25.299999237. `value` itself where the grid has more digits than a double.
[[nodiscard]] double NearestOnGrid(const FloatRange& range, double value);

}  // namespace homeport::model
