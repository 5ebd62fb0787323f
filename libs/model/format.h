#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libs/model/model.h"

namespace homeport::model {

// The table of property formats (MIoT-Spec-V2). Pure: any thread.

// As in the spec's JSON: "uint8".
[[nodiscard]] std::string_view ToText(Format format);
[[nodiscard]] std::optional<Format> FormatFromText(std::string_view text);

// Whether values are numbers: all formats but bool and string.
[[nodiscard]] bool IsNumber(Format format);
// Whether values are whole numbers.
[[nodiscard]] bool IsInteger(Format format);

// The values an integer format can hold; for float those of int64. REQUIRES: IsNumber(format).
struct IntBounds {
  int64_t min;
  int64_t max;
};
[[nodiscard]] IntBounds BoundsOf(Format format);

}  // namespace homeport::model
