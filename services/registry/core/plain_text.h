#pragma once

#include <string_view>

namespace homeport::registry {

// Text that PostgreSQL can hold: without NUL. UTF-8 is what protobuf has checked already.
[[nodiscard]] inline bool IsPlainText(std::string_view text) {
  return text.find('\0') == std::string_view::npos;
}

}  // namespace homeport::registry
