#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace homeport::bench {

// Counts values of 0 to 2^40 (microseconds) in buckets no wider than 1/64 of the value, so that
// percentiles are exact to 1.6 %. Adding is a few instructions.
class Histogram {
 public:
  void Add(int64_t value);
  void Clear() { *this = Histogram(); }

  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] int64_t max() const { return max_; }
  // The upper end of the bucket that holds the given share (0-1) of all values; 0 when empty.
  [[nodiscard]] int64_t Percentile(double share) const;

 private:
  static constexpr int kSubBits = 6;  // 64 buckets for each power of two
  static constexpr int kBitsMax = 40;
  static constexpr size_t kBuckets = size_t{kBitsMax - kSubBits + 1} << kSubBits;

  [[nodiscard]] static size_t BucketOf(int64_t value);
  [[nodiscard]] static int64_t UpperEnd(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace homeport::bench
