#include "libs/metrics/registry.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace homeport::metrics {
namespace {

bool HasLine(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("cells of one name and label are summed, labels kept apart") {
  Registry registry;
  Counter& first = registry.AddCounter("hp_messages_total", "Messages.", {{"kind", "up"}});
  registry.StartShard();
  Counter& second = registry.AddCounter("hp_messages_total", "Messages.", {{"kind", "up"}});
  SharedCounter& down =
      registry.AddSharedCounter("hp_messages_total", "Messages.", {{"kind", "down"}});
  first.Add(2);
  second.Increment();
  down.Increment();
  Gauge& gauge = registry.AddGauge("hp_sessions", "Sessions.");
  gauge.Set(5);
  gauge.Add(-2);
  registry.AddGaugeFunction("hp_sessions", "Sessions.", {}, [] { return 10.0; });

  const std::string text = registry.Render();
  INFO(text);
  CHECK(HasLine(text, "# HELP hp_messages_total Messages."));
  CHECK(HasLine(text, "# TYPE hp_messages_total counter"));
  CHECK(HasLine(text, "hp_messages_total{kind=\"up\"} 3"));
  CHECK(HasLine(text, "hp_messages_total{kind=\"down\"} 1"));
  CHECK(HasLine(text, "# TYPE hp_sessions gauge"));
  CHECK(HasLine(text, "hp_sessions 13"));
}

TEST_CASE("a histogram of microseconds is exposed in seconds, cumulative") {
  Registry registry;
  const Buckets buckets{{1000, 10'000}, 1e-6};
  Histogram& one = registry.AddHistogram("hp_wait_seconds", "Waits.", buckets);
  Histogram& two = registry.AddHistogram("hp_wait_seconds", "Waits.", buckets);
  one.Observe(1000);
  one.Observe(1001);
  two.Observe(500'000);
  const std::string text = registry.Render();
  INFO(text);
  CHECK(HasLine(text, "hp_wait_seconds_bucket{le=\"0.001\"} 1"));
  CHECK(HasLine(text, "hp_wait_seconds_bucket{le=\"0.01\"} 2"));
  CHECK(HasLine(text, "hp_wait_seconds_bucket{le=\"+Inf\"} 3"));
  CHECK(HasLine(text, "hp_wait_seconds_count 3"));
  CHECK(text.find("hp_wait_seconds_sum 0.502001") != std::string::npos);
}

TEST_CASE("cells of different shards share no cache line") {
  Registry registry;
  const auto* first = &registry.AddCounter("hp_a_total", "A.");
  registry.StartShard();
  const auto* second = &registry.AddCounter("hp_a_total", "A.");
  CHECK(reinterpret_cast<uintptr_t>(second) / 64 != reinterpret_cast<uintptr_t>(first) / 64);
}

TEST_CASE("many cells keep their addresses and values") {
  Registry registry;
  std::vector<Counter*> cells;
  cells.reserve(2000);
  for (int i = 0; i < 2000; ++i) cells.push_back(&registry.AddCounter("hp_b_total", "B."));
  for (Counter* cell : cells) cell->Increment();
  CHECK(HasLine(registry.Render(), "hp_b_total 2000"));
}

TEST_CASE("writers and a scraper run side by side") {
  Registry registry;
  Counter& counter = registry.AddCounter("hp_c_total", "C.");
  Histogram& histogram = registry.AddHistogram("hp_c_seconds", "C.", LatencyBuckets());
  std::thread writer([&] {
    for (int i = 0; i < 20'000; ++i) {
      counter.Increment();
      histogram.Observe(i);
    }
  });
  for (int i = 0; i < 20; ++i) CHECK_FALSE(registry.Render().empty());
  writer.join();
  CHECK(HasLine(registry.Render(), "hp_c_total 20000"));
}

TEST_CASE("the process metrics describe this process") {
  Registry registry;
  AddProcessMetrics(registry);
  const std::string text = registry.Render();
  INFO(text);
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
        "process_max_fds", "process_threads", "process_start_time_seconds"}) {
    INFO(name);
    const size_t at = text.find(std::string("\n") + name + " ");
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(text.substr(text.find(' ', at))) > 0);
  }
}

TEST_CASE("open descriptors are counted") {
  Registry registry;
  AddProcessMetrics(registry);
  const auto open_fds = [&] {
    constexpr std::string_view kName = "\nprocess_open_fds ";
    const std::string text = registry.Render();
    return std::stod(text.substr(text.find(kName) + kName.size()));
  };
  const double before = open_fds();
  const int fds[] = {dup(0), dup(0), dup(0)};
  CHECK(open_fds() == before + 3);
  for (const int fd : fds) close(fd);
  CHECK(open_fds() == before);
}

// promtool, where it is installed, is the judge of names, help texts and format.
TEST_CASE("promtool finds nothing to complain about") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) return;
  Registry registry;
  AddProcessMetrics(registry);
  registry.AddCounter("hp_publishes_total", "PUBLISH packets.", {{"qos", "1"}}).Increment();
  registry.AddHistogram("hp_append_seconds", "Time of an append.", LatencyBuckets()).Observe(7);
  registry.AddHistogram("hp_batch_bytes", "Size of a batch.", SizeBuckets()).Observe(700);
  FILE* const promtool = popen("promtool check metrics", "w");
  REQUIRE(promtool != nullptr);
  const std::string text = registry.Render();
  CHECK(fwrite(text.data(), 1, text.size(), promtool) == text.size());
  CHECK(pclose(promtool) == 0);
}

}  // namespace
}  // namespace homeport::metrics
