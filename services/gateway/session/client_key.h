#pragma once

#include <cstdint>
#include <string_view>

#include "libs/base/hash.h"
#include "libs/base/strings.h"

namespace homeport::gateway {

// A client among those of all devices.
[[nodiscard]] inline uint64_t ClientKey(std::string_view device, std::string_view client) {
  return Hash64(fmt::format("{}\n{}", device, client));
}

}  // namespace homeport::gateway
