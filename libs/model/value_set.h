#pragma once

#include <cstdint>
#include <string>

#include "libs/model/model.h"

namespace homeport::model {

// The values a property allows, compared as sets: how they are written down (a list, a range, the
// format alone) does not matter. Pure: any thread.

// How the values of `now` relate to those of `was`.
enum class ValuesChange : uint8_t {
  kSame,
  kWider,  // all old values and more
  kOther,  // some old value is no longer allowed
};

// Bools, strings and numbers without a constraint allow what their format does. Linear in the
// lengths of lists, whatever the length of ranges. REQUIRES: the same format.
[[nodiscard]] ValuesChange CompareValues(const Property& was, const Property& now);

// For people: "0..100 step 1", "1, 2, 5", "any uint8".
[[nodiscard]] std::string DescribeValues(const Property& property);

}  // namespace homeport::model
