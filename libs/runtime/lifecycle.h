#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace homeport::runtime {

// One part of a process. Either function may be empty.
struct Step {
  std::string name = {};  // snake_case, for the log
  std::function<absl::Status()> start = {};
  std::function<void()> stop = {};
  int64_t stop_ms_max = 5000;
};

// Starts the parts of a process in order and stops them in reverse order, one log line for each. A
// stop that overruns its time ends the process with exit code 1: what was acknowledged is durable
// elsewhere, and waiting longer would only be killed later. Single-threaded.
class Lifecycle {
 public:
  Lifecycle() = default;
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;
  ~Lifecycle() { Stop(); }

  void Add(Step step);

  // Starts each step. On the first failure stops those started and returns its error, which names
  // the step.
  [[nodiscard]] absl::Status Start();

  // Stops what is started. May be called again.
  void Stop();

 private:
  std::vector<Step> steps_;
  size_t started_ = 0;
};

}  // namespace homeport::runtime
