#include "libs/json/print.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "libs/json/parse.h"

namespace homeport::json {
namespace {

TEST_CASE("values print in one way") {
  struct Row {
    Value value;
    std::string text;
  };
  const Row row = GENERATE(
      Row{nullptr, "null"}, Row{true, "true"}, Row{false, "false"}, Row{0, "0"}, Row{-1, "-1"},
      Row{INT64_MIN, "-9223372036854775808"}, Row{UINT64_MAX, "18446744073709551615"},
      Row{1.0, "1.0"}, Row{-0.0, "-0.0"}, Row{0.1, "0.1"}, Row{100000.0, "100000.0"},
      Row{25.3, "25.3"}, Row{1e16, "10000000000000000.0"}, Row{1e17, "1e+17"}, Row{1e300, "1e+300"},
      Row{0.00001, "0.00001"}, Row{1e-7, "1e-07"},
      Row{std::numeric_limits<double>::infinity(), "null"}, Row{"", R"("")"},
      Row{"a\"\\/\b\f\n\r\t\x01\x1f\x7f", "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
      Row{"µ温", "\"µ温\""}, Row{std::string("\0", 1), R"("\u0000")"}, Row{Array{}, "[]"},
      Row{Array{1, Array{}, "x"}, R"([1,[],"x"])"}, Row{Object{}, "{}"});
  CHECK(Print(row.value) == row.text);
}

TEST_CASE("printing appends") {
  std::string out = "x";
  Print(Value(1), out);
  PrintString("y", out);
  PrintInt64(-2, out);
  CHECK(out == R"(x1"y"-2)");
}

TEST_CASE("doubles read back as the same bits") {
  uint64_t bits = 0x9E3779B97F4A7C15u;
  for (int i = 0; i < 20000; ++i) {
    bits = bits * 6364136223846793005u + 1442695040888963407u;
    double value = 0;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const std::string text = Print(Value(value));
    INFO(text);
    const auto parsed = Parse(text);
    REQUIRE(parsed.ok());
    REQUIRE(parsed->IfDouble() != nullptr);
    REQUIRE(*parsed->IfDouble() == value);
  }
}

}  // namespace
}  // namespace homeport::json
