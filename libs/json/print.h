#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/json/value.h"

namespace homeport::json {

// Compact JSON text: no white space, keys in their order, doubles in the shortest form that reads
// back the same and always recognisable as doubles (1.0, 1e+300). Equal values with equal key
// order and number types print equally. A double that is not finite prints as null.
// Pure: any thread. The forms with `out` append to it and are the fast ones.
void Print(const Value& value, std::string& out);
void Print(const Object& object, std::string& out);
[[nodiscard]] std::string Print(const Value& value);
[[nodiscard]] std::string Print(const Object& object);

// The pieces, for building a text without building a value first.
void PrintString(std::string_view value, std::string& out);  // with quotes and escapes
void PrintInt64(int64_t value, std::string& out);

}  // namespace homeport::json
