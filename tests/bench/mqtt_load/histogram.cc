#include "tests/bench/mqtt_load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace homeport::bench {

size_t Histogram::BucketOf(int64_t value) {
  const int64_t clamped = std::clamp<int64_t>(value, 0, (int64_t{1} << kBitsMax) - 1);
  const auto v = static_cast<uint64_t>(clamped);
  const int bits = std::bit_width(v);
  if (bits <= kSubBits + 1) return static_cast<size_t>(v);
  // The value's top 7 bits: the leading one says which power, the six below it which part.
  const int shift = bits - kSubBits - 1;
  const uint64_t part = v >> shift;  // 64-127
  return (static_cast<size_t>(shift) << kSubBits) + static_cast<size_t>(part);
}

int64_t Histogram::UpperEnd(size_t bucket) {
  if (bucket < (size_t{2} << kSubBits)) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> kSubBits) - 1;
  const size_t part = bucket - (shift << kSubBits);
  return static_cast<int64_t>(((part + 1) << shift) - 1);
}

void Histogram::Add(int64_t value) {
  ++buckets_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
}

int64_t Histogram::Percentile(double share) const {
  if (count_ == 0) return 0;
  const double rank = std::ceil(share * static_cast<double>(count_));
  const auto wanted = std::max<uint64_t>(1, static_cast<uint64_t>(rank));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(UpperEnd(i), max_);
  }
  return max_;
}

}  // namespace homeport::bench
