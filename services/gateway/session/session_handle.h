#pragma once

#include <cstdint>

namespace homeport::gateway {

// Names a session on its shard, also in Redis and in envelopes: a stale handle finds nothing.
struct SessionHandle {
  uint32_t index = 0;
  uint32_t generation = 0;

  [[nodiscard]] uint64_t packed() const { return uint64_t{generation} << 32 | index; }
  [[nodiscard]] static SessionHandle FromPacked(uint64_t packed) {
    return {static_cast<uint32_t>(packed), static_cast<uint32_t>(packed >> 32)};
  }
};

}  // namespace homeport::gateway
