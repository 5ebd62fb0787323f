#include "services/gateway/session/memory_watch.h"

#include <unistd.h>

#include <fstream>
#include <utility>

namespace homeport::gateway {
namespace {

// memory.max is a number of bytes, or "max".
uint64_t CgroupBytes(const std::string& path) {
  uint64_t bytes = 0;
  std::ifstream file(path);
  return file >> bytes ? bytes : 0;
}

}  // namespace

MemoryWatch::MemoryWatch(uint64_t bytes_max, uint32_t percent, const std::string& cgroup,
                         std::string statm)
    : bytes_max_(bytes_max != 0 ? bytes_max : CgroupBytes(cgroup) / 100 * percent),
      statm_(std::move(statm)) {}

void MemoryWatch::Poll() {
  if (bytes_max_ == 0) return;
  uint64_t all_pages = 0;
  uint64_t resident_pages = 0;
  std::ifstream file(statm_);
  if (!(file >> all_pages >> resident_pages)) return;
  is_short_ = resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) > bytes_max_;
}

}  // namespace homeport::gateway
