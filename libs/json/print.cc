#include "libs/json/print.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace homeport::json {
namespace {

// What follows the backslash, 'u' for \u00XX, 0 for bytes that stand for themselves.
constexpr std::array<char, 256> MakeEscapes() {
  std::array<char, 256> escapes{};
  for (size_t c = 0; c < 0x20; ++c) escapes[c] = 'u';
  escapes['\b'] = 'b';
  escapes['\t'] = 't';
  escapes['\n'] = 'n';
  escapes['\f'] = 'f';
  escapes['\r'] = 'r';
  escapes['"'] = '"';
  escapes['\\'] = '\\';
  return escapes;
}
constexpr std::array<char, 256> kEscapes = MakeEscapes();

void PrintEscape(unsigned char c, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('\\');
  out.push_back(kEscapes[c]);
  if (kEscapes[c] != 'u') return;
  out.append("00");
  out.push_back(kHex[c >> 4]);
  out.push_back(kHex[c & 15]);
}

void PrintDouble(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out.append("null");
    return;
  }
  // Plain digits for the magnitudes people write, an exponent for the others.
  const double magnitude = std::fabs(value);
  const bool plain = magnitude == 0 || (magnitude >= 1e-5 && magnitude < 1e17);
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  const std::string_view digits(text.data(), static_cast<size_t>(end.ptr - text.data()));
  out.append(digits);
  if (plain && digits.find('.') == std::string_view::npos) out.append(".0");
}

void PrintUint64(uint64_t value, std::string& out) {
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

void PrintArray(const Array& array, std::string& out) {
  out.push_back('[');
  bool first = true;
  for (const Value& value : array) {
    if (!first) out.push_back(',');
    first = false;
    Print(value, out);
  }
  out.push_back(']');
}

}  // namespace

void PrintInt64(int64_t value, std::string& out) {
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

void PrintString(std::string_view value, std::string& out) {
  out.push_back('"');
  size_t run = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (kEscapes[c] == 0) continue;
    out.append(value, run, i - run);
    PrintEscape(c, out);
    run = i + 1;
  }
  out.append(value, run);
  out.push_back('"');
}

void Print(const Object& object, std::string& out) {
  out.push_back('{');
  bool first = true;
  for (const Member& member : object) {
    if (!first) out.push_back(',');
    first = false;
    PrintString(member.key, out);
    out.push_back(':');
    Print(member.value, out);
  }
  out.push_back('}');
}

void Print(const Value& value, std::string& out) {
  switch (value.type()) {
    case Type::kNull:
      out.append("null");
      break;
    case Type::kBool:
      out.append(*value.IfBool() ? "true" : "false");
      break;
    case Type::kInt64:
      PrintInt64(*value.IfInt64(), out);
      break;
    case Type::kUint64:
      PrintUint64(*value.IfUint64(), out);
      break;
    case Type::kDouble:
      PrintDouble(*value.IfDouble(), out);
      break;
    case Type::kString:
      PrintString(*value.IfString(), out);
      break;
    case Type::kArray:
      PrintArray(*value.IfArray(), out);
      break;
    case Type::kObject:
      Print(*value.IfObject(), out);
      break;
  }
}

std::string Print(const Value& value) {
  std::string out;
  Print(value, out);
  return out;
}

std::string Print(const Object& object) {
  std::string out;
  Print(object, out);
  return out;
}

}  // namespace homeport::json
