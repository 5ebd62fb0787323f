#include "libs/model/format.h"

#include <array>
#include <cstddef>

namespace homeport::model {
namespace {

struct Row {
  std::string_view text;
  IntBounds bounds;
};

// In the order of Format.
constexpr std::array<Row, 10> kFormats = {{
    {"bool", {0, 0}},
    {"uint8", {0, UINT8_MAX}},
    {"uint16", {0, UINT16_MAX}},
    {"uint32", {0, UINT32_MAX}},
    {"int8", {INT8_MIN, INT8_MAX}},
    {"int16", {INT16_MIN, INT16_MAX}},
    {"int32", {INT32_MIN, INT32_MAX}},
    {"int64", {INT64_MIN, INT64_MAX}},
    {"float", {INT64_MIN, INT64_MAX}},
    {"string", {0, 0}},
}};

const Row& RowOf(Format format) { return kFormats[static_cast<size_t>(format)]; }

}  // namespace

std::string_view ToText(Format format) { return RowOf(format).text; }

std::optional<Format> FormatFromText(std::string_view text) {
  for (size_t i = 0; i < kFormats.size(); ++i) {
    if (kFormats[i].text == text) return static_cast<Format>(i);
  }
  return std::nullopt;
}

bool IsNumber(Format format) { return format != Format::kBool && format != Format::kString; }

bool IsInteger(Format format) { return IsNumber(format) && format != Format::kFloat; }

IntBounds BoundsOf(Format format) { return RowOf(format).bounds; }

}  // namespace homeport::model
