#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/strings.h"

namespace homeport::gateway {

// What one tenant uses of a gateway process, over all its reactors. Thread-safe, without locks.
class TenantUsage {
 public:
  // A session more, unless there are `most` already (0: no limit). Leave ends it.
  [[nodiscard]] bool Enter(uint32_t most) {
    if (sessions_.fetch_add(1, std::memory_order_relaxed) < most || most == 0) return true;
    Leave();
    return false;
  }
  void Leave() { sessions_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] uint32_t sessions() const { return sessions_.load(std::memory_order_relaxed); }

  // A message in second `now_s`, unless there were `most` already (0: no limit).
  [[nodiscard]] bool TakeMessage(uint32_t now_s, uint32_t most);

 private:
  std::atomic<uint32_t> sessions_{0};
  std::atomic<uint64_t> messages_{0};  // the second, and how many in it
};

// The usage of each tenant whose products are in use. Thread-safe.
class TenantUsages {
 public:
  // Shared by the tenant's products and whoever holds them: it is one as long as any does.
  [[nodiscard]] std::shared_ptr<TenantUsage> Of(std::string_view tenant)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<TenantUsage>, StringHash, StringEqual> usages_
      ABSL_GUARDED_BY(mutex_);
  size_t clean_at_ ABSL_GUARDED_BY(mutex_) = 64;  // entries at which those in no use go
};

}  // namespace homeport::gateway
