#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/json/value.h"

namespace homeport::json {

// Hard limit on ParseLimits::depth_max, which bounds every recursion over a parsed value.
inline constexpr int kParseDepthMax = 256;

struct ParseLimits {
  int depth_max = 64;                  // nested arrays and objects; clamped to kParseDepthMax
  size_t bytes_max = 4 << 20;          // of the text
  size_t nodes_max = size_t{1} << 20;  // values, keys not counted
};

enum class ParseError : uint8_t {
  kNone,
  kNotJson,   // not a JSON text, or bytes after it, or a number beyond double, or a lone surrogate
  kNotUtf8,   // the text is not UTF-8; found before any other error of syntax
  kTooDeep,   // depth_max
  kTooLarge,  // bytes_max
  kTooMany,   // nodes_max
};

struct ParseResult {
  ParseError error = ParseError::kNone;
  size_t offset = 0;  // of the error, in bytes from the start of the text
  [[nodiscard]] bool ok() const { return error == ParseError::kNone; }
};

// Parses one JSON text (RFC 8259) into `out`, which keeps its old value on an error. Integers that
// fit 64 bits are exact, other numbers are doubles. Of a key given twice the last value counts.
// Memory grows with the text, not with lengths it claims; depth costs no stack.
// Pure: any thread.
[[nodiscard]] ParseResult ParseInto(std::string_view text, const ParseLimits& limits, Value& out);

// The same for module borders: kInvalidArgument with the reason and the offset, or
// kResourceExhausted for one of the three limits.
[[nodiscard]] absl::StatusOr<Value> Parse(std::string_view text, const ParseLimits& limits = {});

// What went wrong, in a few fixed words.
[[nodiscard]] std::string_view ToText(ParseError error);

}  // namespace homeport::json
