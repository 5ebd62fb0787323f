#include "services/gateway/inspect/heavy_hitters.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace homeport::gateway {

Traffic& Traffic::operator+=(const Traffic& other) {
  messages_from_client += other.messages_from_client;
  messages_to_client += other.messages_to_client;
  bytes_from_client += other.bytes_from_client;
  bytes_to_client += other.bytes_to_client;
  return *this;
}

HeavyHitters::HeavyHitters(uint32_t capacity)
    : entries_(capacity), heap_(capacity), index_(std::bit_ceil(capacity) * 2, kNone) {}

uint32_t HeavyHitters::HomeOf(uint64_t key) const {
  // Fibonacci hashing: keys are slot numbers under generations, which differ in few bits.
  const auto mixed = static_cast<uint32_t>(key * 0x9e3779b97f4a7c15u >> 32);
  return mixed & static_cast<uint32_t>(index_.size() - 1);
}

uint32_t HeavyHitters::SlotOf(uint64_t key) const {
  const auto mask = static_cast<uint32_t>(index_.size() - 1);
  uint32_t slot = HomeOf(key);
  while (index_[slot] != kNone && entries_[index_[slot]].key != key) slot = (slot + 1) & mask;
  return slot;
}

// Closes the gap, so that a search may end at the first free place.
void HeavyHitters::Unindex(uint64_t key) {
  const auto mask = static_cast<uint32_t>(index_.size() - 1);
  uint32_t gap = SlotOf(key);
  for (uint32_t at = (gap + 1) & mask; index_[at] != kNone; at = (at + 1) & mask) {
    const uint32_t home = HomeOf(entries_[index_[at]].key);
    const bool may_move = ((at - home) & mask) >= ((at - gap) & mask);
    if (!may_move) continue;
    index_[gap] = index_[at];
    gap = at;
  }
  index_[gap] = kNone;
}

Traffic& HeavyHitters::Touch(uint64_t key, uint64_t weight) {
  const uint32_t slot = SlotOf(key);
  if (index_[slot] != kNone) {
    Entry& entry = entries_[index_[slot]];
    entry.weight += weight;
    Sink(entry.place);
    return entry.traffic;
  }
  if (size_ < entries_.size()) {
    const uint32_t added = size_++;
    entries_[added] = {key, weight, {}, added};
    heap_[added] = added;
    index_[slot] = added;
    Rise(added);
    return entries_[added].traffic;
  }
  const uint32_t lightest = heap_[0];
  Entry& entry = entries_[lightest];
  Unindex(entry.key);
  entry.key = key;
  entry.weight += weight;
  entry.traffic = {};
  index_[SlotOf(key)] = lightest;
  Sink(0);
  return entry.traffic;
}

const Traffic* HeavyHitters::Find(uint64_t key) const {
  const uint32_t entry = index_[SlotOf(key)];
  return entry == kNone ? nullptr : &entries_[entry].traffic;
}

void HeavyHitters::Clear() {
  std::fill(index_.begin(), index_.end(), kNone);
  size_ = 0;
}

void HeavyHitters::Swap(uint32_t a, uint32_t b) {
  std::swap(heap_[a], heap_[b]);
  entries_[heap_[a]].place = a;
  entries_[heap_[b]].place = b;
}

void HeavyHitters::Rise(uint32_t place) {
  while (place > 0) {
    const uint32_t parent = (place - 1) / 2;
    if (entries_[heap_[parent]].weight <= entries_[heap_[place]].weight) return;
    Swap(place, parent);
    place = parent;
  }
}

void HeavyHitters::Sink(uint32_t place) {
  for (;;) {
    uint32_t lightest = place;
    for (const uint32_t child : {2 * place + 1, 2 * place + 2}) {
      if (child < size_ && entries_[heap_[child]].weight < entries_[heap_[lightest]].weight) {
        lightest = child;
      }
    }
    if (lightest == place) return;
    Swap(place, lightest);
    place = lightest;
  }
}

}  // namespace homeport::gateway
