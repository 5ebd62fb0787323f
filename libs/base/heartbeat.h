#pragma once

#include <atomic>
#include <cstdint>

namespace homeport {

// What a loop turns: it counts its turns, and whoever watches sees whether they go on. Beat is for
// the loop's own thread; turns is thread-safe.
class Heartbeat {
 public:
  void Beat() {
    turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> turns_ = 0;
};

}  // namespace homeport
