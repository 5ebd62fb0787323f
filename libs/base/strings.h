#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

// Text is built with fmt::format and passed as std::string_view. Debian builds Abseil with its own
// string_view, which does not convert from std's: the few bridges are here.
namespace homeport {

[[nodiscard]] inline std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// Its first bytes, `bytes_max` at most. REQUIRES: `text` is UTF-8, as is what comes out.
[[nodiscard]] inline std::string_view Shortened(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

// Lets absl and std hash containers keyed by std::string be searched with a std::string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};
using StringEqual = std::equal_to<>;

}  // namespace homeport
