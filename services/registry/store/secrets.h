#pragma once

#include <string>

namespace homeport::registry {

// 32 random bytes as base64url text: a fleet key, a device secret.
[[nodiscard]] std::string MakeSecret();

}  // namespace homeport::registry
