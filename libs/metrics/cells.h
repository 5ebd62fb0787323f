#pragma once

#include <atomic>
#include <cstdint>
#include <span>

// The numbers that hot code changes. A cell belongs to one thread, its writer, unless its name says
// Shared; any thread may read. Cells are made by, and live as long as, a metrics::Registry.
namespace homeport::metrics {

// A counter with one writer: a plain load and store, no locked instruction.
class Counter {
 public:
  void Increment() { Add(1); }
  void Add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A counter any thread may raise.
class SharedCounter {
 public:
  void Increment() { Add(1); }
  void Add(uint64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A level with one writer.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t n) { Set(value() + n); }
  [[nodiscard]] int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// A level any thread may move.
class SharedGauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Counts integers (microseconds, bytes) into fixed buckets; one writer. `counts` has one element
// more than `bounds`, for what is above the last bound.
class Histogram {
 public:
  Histogram(std::span<const int64_t> bounds, std::span<std::atomic<uint64_t>> counts)
      : bounds_(bounds), counts_(counts) {}

  void Observe(int64_t value) {
    size_t i = 0;
    while (i < bounds_.size() && value > bounds_[i]) ++i;
    Raise(counts_[i], 1);
    Raise(sum_, static_cast<uint64_t>(value > 0 ? value : 0));
  }
  [[nodiscard]] uint64_t count(size_t bucket) const {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  [[nodiscard]] size_t buckets() const { return counts_.size(); }

 private:
  static void Raise(std::atomic<uint64_t>& cell, uint64_t n) {
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::span<const int64_t> bounds_;
  std::span<std::atomic<uint64_t>> counts_;
  std::atomic<uint64_t> sum_{0};
};

}  // namespace homeport::metrics
