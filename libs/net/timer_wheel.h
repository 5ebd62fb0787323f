#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace homeport::net {

// A coarse wheel of one bucket a tick for many long deadlines, 8 bytes each. It never moves an
// entry: the owner keeps the true deadline, and when an entry fires early it is put back
// (lazy re-arm), so activity costs nothing. Deadlines beyond the wheel's span fire early too.
// An entry whose owner is gone fires once more; the owner recognises it by `generation`.
// A tick is as long as the owner says. Not thread-safe.
class TimerWheel {
 public:
  struct Entry {
    uint32_t index = 0;       // the owner's slot
    uint32_t generation = 0;  // of that slot
  };
  static constexpr size_t kBuckets = 1024;

  explicit TimerWheel(int64_t now) : now_(now), buckets_(kBuckets) {}

  // Fires at `due` at the latest one tick late; at once (next Advance) when that has passed.
  void Add(int64_t due, Entry entry) {
    const int64_t earliest = now_ + 1;
    const int64_t latest = now_ + static_cast<int64_t>(kBuckets) - 1;
    const int64_t at = due < earliest ? earliest : due > latest ? latest : due;
    buckets_[static_cast<size_t>(at) % kBuckets].push_back(entry);
  }

  // Calls fire(entry) for every entry due up to `now`. `fire` may Add.
  template <typename Fire>
  void Advance(int64_t now, Fire fire) {
    while (now_ < now) {
      ++now_;
      std::vector<Entry> due;
      due.swap(buckets_[static_cast<size_t>(now_) % kBuckets]);
      for (const Entry& entry : due) fire(entry);
    }
  }

 private:
  int64_t now_;
  std::vector<std::vector<Entry>> buckets_;
};

}  // namespace homeport::net
