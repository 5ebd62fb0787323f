#include "tests/bench/mqtt_load/result.h"

#include <fmt/format.h>

#include <cstdio>

namespace homeport::bench {

void Result::Raw(std::string_view name, std::string_view value) {
  if (!fields_.empty()) fields_ += ',';
  fields_ += fmt::format("\"{}\":{}", name, value);
}

void Result::Text(std::string_view name, std::string_view value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c >= ' ' ? c : ' ';
  }
  Raw(name, quoted + "\"");
}

void Result::Count(std::string_view name, uint64_t value) { Raw(name, fmt::format("{}", value)); }

void Result::Number(std::string_view name, double value) {
  Raw(name, fmt::format("{:.3f}", value));
}

void Result::Latency(std::string_view prefix, const Histogram& histogram) {
  const auto add = [&](std::string_view what, int64_t value) {
    Raw(fmt::format("{}_{}_us", prefix, what), fmt::format("{}", value));
  };
  add("p50", histogram.Percentile(0.5));
  add("p90", histogram.Percentile(0.9));
  add("p99", histogram.Percentile(0.99));
  add("p999", histogram.Percentile(0.999));
  add("max", histogram.max());
}

void Result::Print() const {
  std::printf("{%s}\n", fields_.c_str());
  std::fflush(stdout);
}

}  // namespace homeport::bench
