#pragma once

#include <cstdint>
#include <string_view>

#include "libs/base/clock.h"
#include "libs/routing/keys.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {

// How a read tells whether what it read may have been overtaken.
struct Freshness {
  uint32_t partitions = 64;  // of the deployment
  int64_t stale_ms = 10'000;

  [[nodiscard]] uint32_t PartitionOf(std::string_view device) const {
    return routing::PartitionOf(device, partitions);
  }
  // The partition of the device was not consumed to its end for so long.
  [[nodiscard]] bool IsStale(int64_t caught_up_ms) const {
    return caught_up_ms < SystemClock().Wall().value - stale_ms;
  }
  [[nodiscard]] bool IsStale(const StoredPresence& presence) const {
    return IsStale(presence.caught_up_ms);
  }
};

// When the device was last known to be there; 0: never. Whoever has a session is there while the
// gateway that holds it does not say otherwise.
[[nodiscard]] inline int64_t LastSeenMs(const StoredPresence& presence) {
  if (!presence.hub.empty()) return presence.seen_ms;
  return presence.online ? presence.caught_up_ms : presence.presence_ms;
}

}  // namespace homeport::registry
