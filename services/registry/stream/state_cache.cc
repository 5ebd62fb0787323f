#include "services/registry/stream/state_cache.h"

#include "libs/base/check.h"

namespace homeport::registry {

DeviceState* StateCache::Find(std::string_view device) {
  const auto at = by_id_.find(device);
  if (at == by_id_.end()) return nullptr;
  order_.splice(order_.begin(), order_, at->second);
  return &*at->second;
}

DeviceState& StateCache::Insert(std::string_view device, uint32_t partition) {
  DeviceState& state = order_.emplace_front();
  state.id = device;
  state.partition = partition;
  HP_CHECK(by_id_.emplace(state.id, order_.begin()).second);
  return state;
}

void StateCache::Drop(std::string_view device) {
  const auto at = by_id_.find(device);
  if (at == by_id_.end()) return;
  const Order::iterator state = at->second;
  by_id_.erase(at);
  order_.erase(state);
}

void StateCache::DropPartition(uint32_t partition) {
  for (auto state = order_.begin(); state != order_.end();) {
    if (state->partition != partition) {
      ++state;
      continue;
    }
    by_id_.erase(state->id);
    state = order_.erase(state);
  }
}

void StateCache::Clear() {
  by_id_.clear();
  order_.clear();
}

void StateCache::Trim() {
  while (by_id_.size() > devices_max_) {
    by_id_.erase(order_.back().id);
    order_.pop_back();
  }
}

}  // namespace homeport::registry
