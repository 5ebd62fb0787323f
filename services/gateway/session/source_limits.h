#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "libs/peer/ip_endpoint.h"

namespace homeport::gateway {

// How many connections each source address may open in a second; of IPv6 the /64, which is one
// customer's. Remembers one second, so its size is bounded by what is accepted in one.
// Shard's thread only.
class SourceLimits {
 public:
  // 0: no limit.
  explicit SourceLimits(uint32_t per_second) : per_second_(per_second) {}

  [[nodiscard]] bool Admit(peer::IpAddress source, uint32_t now_s) {
    if (per_second_ == 0) return true;
    if (now_s != second_) {
      second_ = now_s;
      counts_.clear();
    }
    constexpr std::ptrdiff_t kNetworkBytes = 8;
    const bool is_ipv6 = std::any_of(source.begin(), source.begin() + kNetworkBytes,
                                     [](uint8_t byte) { return byte != 0; });
    if (is_ipv6) std::fill(source.begin() + kNetworkBytes, source.end(), uint8_t{0});
    return ++counts_[source] <= per_second_;
  }

 private:
  const uint32_t per_second_;
  uint32_t second_ = 0;
  absl::flat_hash_map<peer::IpAddress, uint32_t> counts_;
};

}  // namespace homeport::gateway
