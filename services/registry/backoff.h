#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace homeport::registry {

// Delays between repeated attempts: from 20 ms, doubled up to 2 s, each between half and all of it,
// so that the threads and pods that lost a server together do not come back together. One thread.
class Backoff {
 public:
  [[nodiscard]] int64_t NextMs() {
    next_ms_ = std::min<int64_t>(next_ms_ == 0 ? 20 : next_ms_ * 2, 2000);
    return std::uniform_int_distribution<int64_t>(next_ms_ / 2, next_ms_)(random_);
  }
  void Reset() { next_ms_ = 0; }

 private:
  int64_t next_ms_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

// Asks a thread to end, and wakes it. Thread-safe.
class StopFlag {
 public:
  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  [[nodiscard]] bool stopped() const {
    absl::MutexLock lock(&mutex_);
    return stopped_;
  }
  // Sleeps; true, and at once, when stopped.
  [[nodiscard]] bool WaitFor(int64_t ms) const {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&stopped_), absl::Milliseconds(ms));
  }

 private:
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace homeport::registry
