#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// What bytes of ASCII are, whatever the locale, and the bytes that hexadecimal text stands for.
namespace homeport {

[[nodiscard]] constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
[[nodiscard]] constexpr bool IsLetter(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z'); }
[[nodiscard]] constexpr bool IsAlphanumeric(char c) { return IsLetter(c) || IsDigit(c); }

// -1: no hexadecimal digit.
[[nodiscard]] constexpr int HexDigit(char digit) {
  if (IsDigit(digit)) return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// Fills `out`; false where `hex` does not have just as many bytes, in hexadecimal.
[[nodiscard]] constexpr bool DecodeHex(std::string_view hex, std::span<uint8_t> out) {
  if (hex.size() != 2 * out.size()) return false;
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = HexDigit(hex[2 * i]);
    const int low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace homeport
