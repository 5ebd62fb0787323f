#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libs/base/strings.h"
#include "services/registry/core/device_state.h"

namespace homeport::registry {

// The devices a worker saw last: what its transactions wrote, so a busy device is never read again
// while its partition is owned. Whoever cannot be sure that a state is what PostgreSQL holds must
// drop it. One thread. Pointers live until the device is dropped; Insert and Find drop nothing.
class StateCache {
 public:
  explicit StateCache(size_t devices_max) : devices_max_(devices_max) {}

  // Null when absent. Counts as a use.
  [[nodiscard]] DeviceState* Find(std::string_view device);
  // A state that holds only its id and partition. REQUIRES: absent.
  DeviceState& Insert(std::string_view device, uint32_t partition);

  void Drop(std::string_view device);
  // At once for callers; the memory is given back as these devices are asked for, or by Trim.
  void DropPartition(uint32_t partition);
  void Clear();
  // Drops the least recently used beyond the limit. Between transactions only.
  void Trim();
  [[nodiscard]] size_t size() const { return by_id_.size(); }

 private:
  struct Entry {
    DeviceState state;
    uint64_t inserted = 0;
  };
  using Order = std::list<Entry>;  // the most recently used first

  const size_t devices_max_;
  uint64_t insertions_ = 0;
  std::unordered_map<uint32_t, uint64_t> dropped_;  // partitions: what was inserted before is gone
  Order order_;
  std::unordered_map<std::string_view, Order::iterator, StringHash, StringEqual> by_id_;
};

}  // namespace homeport::registry
