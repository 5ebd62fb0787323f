#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/metrics/cells.h"

namespace homeport::metrics {

// Label names and values of one series.
using Labels = std::map<std::string, std::string>;

// The buckets of a histogram: bounds in the integer unit that is observed, and the factor that
// turns them into the unit exposed (1e-6 for microseconds exposed as seconds).
struct Buckets {
  std::vector<int64_t> bounds;
  double scale = 1;
};

// 50 µs to 10 s, observed in microseconds, exposed in seconds: for names that end in _seconds.
[[nodiscard]] Buckets LatencyBuckets();
// 64 B to 1 MiB by powers of four, observed and exposed in bytes.
[[nodiscard]] Buckets SizeBuckets();

// Owns every metric cell of a process and renders them. Cells asked for twice under the same name
// and labels (one per reactor) are separate and summed when scraped. A name has one type, one help
// text, one set of buckets: anything else is a bug and dies. Thread-safe; references stay valid for
// the registry's life.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Cells made afterwards share no cache line with those made before. Call it before making the
  // cells of the next thread.
  void StartShard();

  Counter& AddCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  SharedCounter& AddSharedCounter(std::string_view name, std::string_view help,
                                  const Labels& labels = {});
  Gauge& AddGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  SharedGauge& AddSharedGauge(std::string_view name, std::string_view help,
                              const Labels& labels = {});
  Histogram& AddHistogram(std::string_view name, std::string_view help, const Buckets& buckets,
                          const Labels& labels = {});

  // Sampled on the scraping thread. `sample` must be thread-safe, must not call the registry, and
  // what it borrows must outlive the Exposer.
  using Sample = std::function<double()>;
  void AddGaugeFunction(std::string_view name, std::string_view help, const Labels& labels,
                        Sample sample);
  void AddCounterFunction(std::string_view name, std::string_view help, const Labels& labels,
                          Sample sample);

  // The Prometheus text format, version 0.0.4.
  [[nodiscard]] std::string Render() const;

 private:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram };
  class Arena;
  struct Family;
  struct Series;

  Series& SeriesOf(Kind kind, std::string_view name, std::string_view help, const Labels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Cell>
  Cell& AddCell(Kind kind, std::string_view name, std::string_view help, const Labels& labels);

  mutable absl::Mutex mutex_;
  std::unique_ptr<Arena> arena_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_ ABSL_GUARDED_BY(mutex_);
};

// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_max_fds, process_start_time_seconds, process_threads.
void AddProcessMetrics(Registry& registry);

}  // namespace homeport::metrics
