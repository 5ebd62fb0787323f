#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace homeport::net {

// A coarse wheel of one-second buckets for many long deadlines, 8 bytes each. It never moves an
// entry: the owner keeps the true deadline, and when an entry fires early it is put back
// (lazy re-arm), so activity costs nothing. Deadlines beyond the wheel's span fire early too.
// An entry whose owner is gone fires once more; the owner recognises it by `generation`.
// Not thread-safe.
class TimerWheel {
 public:
  struct Entry {
    uint32_t index = 0;       // the owner's slot
    uint32_t generation = 0;  // of that slot
  };
  static constexpr size_t kBuckets = 1024;

  explicit TimerWheel(int64_t now_s) : now_s_(now_s), buckets_(kBuckets) {}

  // Fires at `due_s` at the latest one second late; at once (next Advance) when that has passed.
  void Add(int64_t due_s, Entry entry) {
    const int64_t earliest = now_s_ + 1;
    const int64_t latest = now_s_ + static_cast<int64_t>(kBuckets) - 1;
    const int64_t at = due_s < earliest ? earliest : due_s > latest ? latest : due_s;
    buckets_[static_cast<size_t>(at) % kBuckets].push_back(entry);
  }

  // Calls fire(entry) for every entry due up to `now_s`. `fire` may Add.
  template <typename Fire>
  void Advance(int64_t now_s, Fire fire) {
    while (now_s_ < now_s) {
      ++now_s_;
      std::vector<Entry> due;
      due.swap(buckets_[static_cast<size_t>(now_s_) % kBuckets]);
      for (const Entry& entry : due) fire(entry);
    }
  }

 private:
  int64_t now_s_;
  std::vector<std::vector<Entry>> buckets_;
};

}  // namespace homeport::net
