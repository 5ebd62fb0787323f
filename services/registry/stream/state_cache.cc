#include "services/registry/stream/state_cache.h"

#include "libs/base/check.h"

namespace homeport::registry {

DeviceState* StateCache::Find(std::string_view device) {
  const auto at = by_id_.find(device);
  if (at == by_id_.end()) return nullptr;
  const Order::iterator entry = at->second;
  const auto dropped = dropped_.find(entry->state.partition);
  if (dropped != dropped_.end() && entry->inserted <= dropped->second) {
    by_id_.erase(at);
    order_.erase(entry);
    return nullptr;
  }
  order_.splice(order_.begin(), order_, entry);
  return &entry->state;
}

DeviceState& StateCache::Insert(std::string_view device, uint32_t partition) {
  Entry& entry = order_.emplace_front();
  entry.state.id = device;
  entry.state.partition = partition;
  entry.inserted = ++insertions_;
  HP_CHECK(by_id_.emplace(entry.state.id, order_.begin()).second);
  return entry.state;
}

void StateCache::Drop(std::string_view device) {
  const auto at = by_id_.find(device);
  if (at == by_id_.end()) return;
  const Order::iterator entry = at->second;
  by_id_.erase(at);
  order_.erase(entry);
}

void StateCache::DropPartition(uint32_t partition) { dropped_[partition] = insertions_; }

void StateCache::Clear() {
  by_id_.clear();
  order_.clear();
  dropped_.clear();
}

void StateCache::Trim() {
  while (by_id_.size() > devices_max_) {
    by_id_.erase(order_.back().state.id);
    order_.pop_back();
  }
}

}  // namespace homeport::registry
