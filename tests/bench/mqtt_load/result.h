#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/bench/mqtt_load/histogram.h"

namespace homeport::bench {

// One JSON object on one line, built field by field: what a run prints.
class Result {
 public:
  explicit Result(std::string_view bench) { Text("bench", bench); }

  void Text(std::string_view name, std::string_view value);
  void Count(std::string_view name, uint64_t value);
  void Number(std::string_view name, double value);
  // <prefix>_p50_us, _p90_us, _p99_us, _p999_us and _max_us.
  void Latency(std::string_view prefix, const Histogram& histogram);

  // Writes the line to standard output.
  void Print() const;

 private:
  void Raw(std::string_view name, std::string_view value);
  std::string fields_;
};

}  // namespace homeport::bench
