#pragma once

#include <cstddef>
#include <string_view>

namespace homeport::json {

// The length of the longest prefix of `bytes` that is well-formed UTF-8 (RFC 3629: no surrogates,
// no overlong forms, nothing above U+10FFFF). Equal to bytes.size() when all of it is.
[[nodiscard]] size_t Utf8Prefix(std::string_view bytes);

[[nodiscard]] inline bool IsUtf8(std::string_view bytes) {
  return Utf8Prefix(bytes) == bytes.size();
}

}  // namespace homeport::json
