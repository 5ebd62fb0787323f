#pragma once

#include <string_view>

namespace homeport::registry {

// 1-64 of [$A-Za-z0-9:_-].
[[nodiscard]] bool IsShadowName(std::string_view name);

// Text that PostgreSQL can hold: without NUL. UTF-8 is what protobuf has checked already.
[[nodiscard]] inline bool IsPlainText(std::string_view text) {
  return text.find('\0') == std::string_view::npos;
}

}  // namespace homeport::registry
