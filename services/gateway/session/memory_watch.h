#pragma once

#include <cstdint>
#include <string>

namespace homeport::gateway {

// Whether the process has come near the memory it may use: then those who are connected go on and
// nobody else is let in. Shard's thread only.
class MemoryWatch {
 public:
  // `bytes_max` of resident memory. 0: `percent` of what the cgroup allows; nothing is ever refused
  // where that has no limit. `cgroup` and `statm` are files as Linux has them.
  MemoryWatch(uint64_t bytes_max, uint32_t percent,
              const std::string& cgroup = "/sys/fs/cgroup/memory.max",
              std::string statm = "/proc/self/statm");

  // Once a second.
  void Poll();
  [[nodiscard]] bool is_short() const { return is_short_; }
  [[nodiscard]] uint64_t bytes_max() const { return bytes_max_; }

 private:
  uint64_t bytes_max_ = 0;  // 0: no limit
  std::string statm_;
  bool is_short_ = false;
};

}  // namespace homeport::gateway
