// Any text: it is refused, or what it holds survives printing and parsing.
#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/base/check.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/json/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using homeport::json::ParseInto;
  using homeport::json::ParseResult;
  using homeport::json::Value;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Value value;
  const ParseResult result = ParseInto(text, {}, value);
  HP_CHECK(result.offset <= size);
  if (!result.ok()) return 0;

  const std::string printed = homeport::json::Print(value);
  HP_CHECK(homeport::json::IsUtf8(printed));
  Value again;
  HP_CHECK(ParseInto(printed, {.bytes_max = SIZE_MAX}, again).ok());
  HP_CHECK(again == value);
  HP_CHECK(homeport::json::Print(again) == printed);
  const Value copy = value;
  HP_CHECK(copy == value);
  return 0;
}
