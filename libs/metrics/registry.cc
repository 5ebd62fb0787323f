#include "libs/metrics/registry.h"

#include <prometheus/check_names.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <new>
#include <sstream>
#include <utility>

#include "libs/base/check.h"

namespace homeport::metrics {
namespace {

constexpr size_t kCacheLineBytes = 64;
constexpr size_t kBlockBytes = 4096;

struct alignas(kCacheLineBytes) Block {
  std::byte bytes[kBlockBytes];
};

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace

// Memory of the cells, packed in the order they are made. Cells need no destruction.
class Registry::Arena {
 public:
  template <typename T, typename... Args>
  T* Make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (Take(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }
  std::span<std::atomic<uint64_t>> MakeCounts(size_t n) {
    using Count = std::atomic<uint64_t>;
    auto* const counts = static_cast<Count*>(Take(n * sizeof(Count), alignof(Count)));
    for (size_t i = 0; i < n; ++i) new (counts + i) Count(0);
    return {counts, n};
  }
  void StartLine() { used_ = (used_ + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes; }

 private:
  void* Take(size_t bytes, size_t alignment) {
    HP_CHECK(bytes <= kBlockBytes);
    used_ = (used_ + alignment - 1) / alignment * alignment;
    if (blocks_.empty() || used_ + bytes > kBlockBytes) {
      blocks_.push_back(std::make_unique<Block>());
      used_ = 0;
    }
    void* const taken = blocks_.back()->bytes + used_;
    used_ += bytes;
    return taken;
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  size_t used_ = 0;
};

// One name with one set of labels: the sum of its cells.
struct Registry::Series {
  std::vector<Sample> samples;
  std::vector<const Histogram*> histograms;

  [[nodiscard]] double Sum() const {
    double sum = 0;
    for (const Sample& sample : samples) sum += sample();
    return sum;
  }
};

struct Registry::Family {
  Kind kind = Kind::kCounter;
  std::string help;
  Buckets buckets;
  std::map<Labels, Series> series;

  [[nodiscard]] prometheus::MetricType Type() const {
    switch (kind) {
      case Kind::kCounter:
        return prometheus::MetricType::Counter;
      case Kind::kGauge:
        return prometheus::MetricType::Gauge;
      case Kind::kHistogram:
        break;
    }
    return prometheus::MetricType::Histogram;
  }

  [[nodiscard]] prometheus::ClientMetric::Histogram Merge(const Series& one) const {
    prometheus::ClientMetric::Histogram merged;
    uint64_t sum = 0;
    for (const Histogram* histogram : one.histograms) sum += histogram->sum();
    merged.sample_sum = static_cast<double>(sum) * buckets.scale;
    for (size_t i = 0; i <= buckets.bounds.size(); ++i) {
      for (const Histogram* histogram : one.histograms) merged.sample_count += histogram->count(i);
      if (i == buckets.bounds.size()) break;
      merged.bucket.push_back(
          {merged.sample_count, static_cast<double>(buckets.bounds[i]) * buckets.scale});
    }
    return merged;
  }

  [[nodiscard]] prometheus::ClientMetric Collect(const Labels& labels, const Series& one) const {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : labels) metric.label.push_back({name, value});
    switch (kind) {
      case Kind::kCounter:
        metric.counter.value = one.Sum();
        break;
      case Kind::kGauge:
        metric.gauge.value = one.Sum();
        break;
      case Kind::kHistogram:
        metric.histogram = Merge(one);
        break;
    }
    return metric;
  }
};

Buckets LatencyBuckets() {
  return {{50, 100, 250, 500, 1000, 2500, 5000, 10'000, 25'000, 50'000, 100'000, 250'000, 500'000,
           1'000'000, 2'500'000, 5'000'000, 10'000'000},
          1e-6};
}

Buckets SizeBuckets() { return {{64, 256, 1024, 4096, 16'384, 65'536, 262'144, 1'048'576}, 1}; }

Registry::Registry() : arena_(std::make_unique<Arena>()) {}
Registry::~Registry() = default;

void Registry::StartShard() {
  absl::MutexLock lock(&mutex_);
  arena_->StartLine();
}

Registry::Series& Registry::SeriesOf(Kind kind, std::string_view name, std::string_view help,
                                     const Labels& labels) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    HP_CHECK(prometheus::CheckMetricName(std::string(name)));
    HP_CHECK(EndsWith(name, "_total") == (kind == Kind::kCounter));
    found = families_.emplace(std::string(name), std::make_unique<Family>()).first;
    found->second->kind = kind;
    found->second->help = help;
  }
  Family& family = *found->second;
  HP_CHECK(family.kind == kind && family.help == help);
  return family.series[labels];
}

template <typename Cell>
Cell& Registry::AddCell(Kind kind, std::string_view name, std::string_view help,
                        const Labels& labels) {
  absl::MutexLock lock(&mutex_);
  Cell* const cell = arena_->Make<Cell>();
  SeriesOf(kind, name, help, labels).samples.emplace_back([cell] {
    return static_cast<double>(cell->value());
  });
  return *cell;
}

Counter& Registry::AddCounter(std::string_view name, std::string_view help, const Labels& labels) {
  return AddCell<Counter>(Kind::kCounter, name, help, labels);
}

SharedCounter& Registry::AddSharedCounter(std::string_view name, std::string_view help,
                                          const Labels& labels) {
  return AddCell<SharedCounter>(Kind::kCounter, name, help, labels);
}

Gauge& Registry::AddGauge(std::string_view name, std::string_view help, const Labels& labels) {
  return AddCell<Gauge>(Kind::kGauge, name, help, labels);
}

SharedGauge& Registry::AddSharedGauge(std::string_view name, std::string_view help,
                                      const Labels& labels) {
  return AddCell<SharedGauge>(Kind::kGauge, name, help, labels);
}

Histogram& Registry::AddHistogram(std::string_view name, std::string_view help,
                                  const Buckets& buckets, const Labels& labels) {
  absl::MutexLock lock(&mutex_);
  Series& series = SeriesOf(Kind::kHistogram, name, help, labels);
  Family& family = *families_.find(name)->second;
  if (family.buckets.bounds.empty()) family.buckets = buckets;
  HP_CHECK(family.buckets.bounds == buckets.bounds && family.buckets.scale == buckets.scale);
  const auto counts = arena_->MakeCounts(buckets.bounds.size() + 1);
  auto* const cell = arena_->Make<Histogram>(family.buckets.bounds, counts);
  series.histograms.push_back(cell);
  return *cell;
}

void Registry::AddGaugeFunction(std::string_view name, std::string_view help, const Labels& labels,
                                Sample sample) {
  absl::MutexLock lock(&mutex_);
  SeriesOf(Kind::kGauge, name, help, labels).samples.push_back(std::move(sample));
}

void Registry::AddCounterFunction(std::string_view name, std::string_view help,
                                  const Labels& labels, Sample sample) {
  absl::MutexLock lock(&mutex_);
  SeriesOf(Kind::kCounter, name, help, labels).samples.push_back(std::move(sample));
}

std::string Registry::Render() const {
  std::vector<prometheus::MetricFamily> collected;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, family] : families_) {
      prometheus::MetricFamily& target = collected.emplace_back();
      target.name = name;
      target.help = family->help;
      target.type = family->Type();
      for (const auto& [labels, series] : family->series) {
        target.metric.push_back(family->Collect(labels, series));
      }
    }
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, collected);
  return text.str();
}

}  // namespace homeport::metrics
