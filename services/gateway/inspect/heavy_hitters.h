#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace homeport::gateway {

// PUBLISH packets of one session, both ways.
struct Traffic {
  uint64_t messages_from_client = 0;
  uint64_t messages_to_client = 0;
  uint64_t bytes_from_client = 0;
  uint64_t bytes_to_client = 0;

  [[nodiscard]] uint64_t messages() const { return messages_from_client + messages_to_client; }
  [[nodiscard]] uint64_t bytes() const { return bytes_from_client + bytes_to_client; }
  Traffic& operator+=(const Traffic& other);
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

// The heaviest keys of a stream of weights, in bounded memory: the Space-Saving algorithm
// (Metwally, Agrawal, El Abbadi 2005). A key with more than 1/capacity of all weight is always
// among them. Allocates when it is made, never after. Not thread-safe.
class HeavyHitters {
 public:
  // REQUIRES: 1 <= capacity <= 65,536.
  explicit HeavyHitters(uint32_t capacity);

  // The traffic of `key`, which becomes heavier by `weight`. A key that was not there takes the
  // place and the weight of the lightest one, and its traffic begins at nothing. Valid until the
  // next call.
  [[nodiscard]] Traffic& Touch(uint64_t key, uint64_t weight);
  // nullptr where it is not among the heaviest.
  [[nodiscard]] const Traffic* Find(uint64_t key) const;
  void Clear();

  [[nodiscard]] size_t size() const { return size_; }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (uint32_t i = 0; i < size_; ++i) visit(entries_[i].key, entries_[i].traffic);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    uint64_t key = 0;
    uint64_t weight = 0;
    Traffic traffic;
    uint32_t place = 0;  // in heap_
  };

  // Where `key` stands in index_, or the free place at which it would.
  [[nodiscard]] uint32_t SlotOf(uint64_t key) const;
  [[nodiscard]] uint32_t HomeOf(uint64_t key) const;
  void Unindex(uint64_t key);
  void Sink(uint32_t place);
  void Rise(uint32_t place);
  void Swap(uint32_t a, uint32_t b);

  std::vector<Entry> entries_;   // the first size_ are in use
  std::vector<uint32_t> heap_;   // of entries; the lightest first
  std::vector<uint32_t> index_;  // open addressing: entries by key
  uint32_t size_ = 0;
};

}  // namespace homeport::gateway
