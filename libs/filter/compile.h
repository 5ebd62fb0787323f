#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/filter/expression.h"

namespace homeport::filter {

// What a field is to SQL. `sql` of a field is an expression of that type.
enum class FieldType : uint8_t {
  kText,    // text; = and != take a prefix
  kEnum,    // text, one of Field::values; = and != only
  kBool,    // boolean; = and != only
  kTime,    // timestamptz, may be null; values are RFC 3339
  kMillis,  // int8, Unix milliseconds, 0 = never; values are RFC 3339
  kMap,     // jsonb object of strings: field.key op value, field:key
  kList,    // text[]: field:value
};

struct Field {
  std::string_view name;
  FieldType type = FieldType::kText;
  std::string_view sql;
  std::vector<std::string_view> values = {};  // of kEnum
  // What counts of a value that may be a resource name.
  enum class NameForm : uint8_t {
    kPlain,
    kLastId,       // what is behind the last '/'
    kUnderTenant,  // what is behind "tenants/{tenant}/"
  };
  NameForm name_form = NameForm::kPlain;
  bool sortable = false;
};

// The fields that filters and orders may name. The first one is the unique key of a row.
using Schema = std::vector<Field>;

[[nodiscard]] const Field* FindField(const Schema& schema, std::string_view name);

struct Param {
  enum class Type : uint8_t { kText, kInt8, kBool };
  Type type = Type::kText;
  std::string text = {};
  int64_t int8 = 0;  // 0 or 1 for kBool
};

// A condition with its parameters, $first_param and up. Nothing of the user's is in `where`.
struct Condition {
  std::string where;
  std::vector<Param> params;
};

// SQL for an expression; "true" for the empty one. What a row lacks equals nothing: `!=` and NOT
// are true of it. A bare number compared with < <= > >= to a value of a map compares numbers, and
// is false where the value is none. INVALID_ARGUMENT FILTER_INVALID as Parse: an unknown field, an
// operator or a value that its type does not take. Pure: any thread.
[[nodiscard]] absl::StatusOr<Condition> Compile(const Expression& expression, const Schema& schema,
                                                size_t first_param);

// Unix microseconds of an RFC 3339 time between the years 1 and 9999.
[[nodiscard]] absl::StatusOr<int64_t> ParseTimeMicros(std::string_view text);

}  // namespace homeport::filter
