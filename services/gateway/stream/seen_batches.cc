#include "services/gateway/stream/seen_batches.h"

#include <algorithm>

namespace homeport::gateway {

bool SeenBatches::IsNew(std::string_view pod, uint64_t sequence, uint64_t ms) {
  auto found = pods_.find(pod);
  if (found == pods_.end()) {
    if (pods_.size() >= kPodsMax) ForgetOldest();
    found = pods_.emplace(std::string(pod), Last()).first;
  }
  Last& last = found->second;
  if (sequence <= last.sequence) return false;
  last = {sequence, ms};
  return true;
}

// A quarter at once, so that a fleet of more pods than fit does not pay for each batch.
void SeenBatches::ForgetOldest() {
  std::vector<uint64_t> times;
  for (const auto& [pod, last] : pods_) times.push_back(last.ms);
  const auto quarter = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4);
  std::nth_element(times.begin(), quarter, times.end());
  absl::erase_if(pods_, [until = *quarter](const auto& entry) { return entry.second.ms <= until; });
}

}  // namespace homeport::gateway
