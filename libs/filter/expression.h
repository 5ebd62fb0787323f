#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Filters of lists, a subset of AIP-160, as data.
namespace homeport::filter {

enum class Op : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kHas };
[[nodiscard]] std::string_view ToText(Op op);

// What stands right of an operator. `text` is without quotes and escapes.
struct Literal {
  std::string text;
  bool quoted = false;
  bool prefix = false;  // ended with an unescaped '*', which is not in `text`
  // A lone '*': anything that is there.
  [[nodiscard]] bool any() const { return prefix && text.empty(); }
};

// field op value, field.key op value. Positions are offsets in bytes into the filter.
struct Restriction {
  std::string field;
  std::string key;
  bool has_key = false;
  Op op = Op::kEqual;
  Literal value;
  size_t position = 0;
  size_t value_position = 0;
};

struct Expression {
  enum class Kind : uint8_t { kAll, kAny, kNot, kRestriction };
  Kind kind = Kind::kAll;            // kAll of nothing is true
  std::vector<Expression> children;  // one for kNot
  Restriction restriction;           // of kRestriction
};

struct Limits {
  size_t bytes_max = 2048;
  size_t depth_max = 16;  // parentheses and negations
  size_t restrictions_max = 50;
};

// Grammar, loosest first; as in AIP-160, OR binds closer than AND:
//   a AND b      both; `a b` means the same
//   a OR b
//   NOT a, -a
//   (a)
//   field op value    op is = != < <= > >= or : (has)
//   field.key op value
// A value is a bare word of [A-Za-z0-9_.+/@-] or non-ASCII letters, or a string in double or single
// quotes, in which \ makes the next character literal; a '*' at its end makes it a prefix.
// INVALID_ARGUMENT FILTER_INVALID, with the position in bytes in the message and as the detail
// "position". Pure: any thread.
[[nodiscard]] absl::StatusOr<Expression> Parse(std::string_view text, const Limits& limits = {});

// The error that Parse and Compile return.
[[nodiscard]] absl::Status FilterError(size_t position, std::string_view message);

}  // namespace homeport::filter
