#include "services/gateway/flow/tenant_usage.h"

#include <algorithm>

namespace homeport::gateway {

bool TenantUsage::TakeMessage(uint32_t now_s, uint32_t most) {
  if (most == 0) return true;
  uint64_t seen = messages_.load(std::memory_order_relaxed);
  for (;;) {
    // The clocks of two reactors may be an iteration apart: the later second counts for both.
    const bool is_now = static_cast<uint32_t>(seen >> 32) >= now_s;
    if (is_now && static_cast<uint32_t>(seen) >= most) return false;
    const uint64_t next = is_now ? seen + 1 : uint64_t{now_s} << 32 | 1;
    if (messages_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return true;
  }
}

std::shared_ptr<TenantUsage> TenantUsages::Of(std::string_view tenant) {
  absl::MutexLock lock(&mutex_);
  const auto found = usages_.find(tenant);
  if (found != usages_.end()) {
    if (auto usage = found->second.lock()) return usage;
  }
  if (usages_.size() >= clean_at_) {
    absl::erase_if(usages_, [](const auto& entry) { return entry.second.expired(); });
    clean_at_ = std::max<size_t>(usages_.size() * 2, 64);
  }
  auto usage = std::make_shared<TenantUsage>();
  usages_.insert_or_assign(std::string(tenant), usage);
  return usage;
}

}  // namespace homeport::gateway
