#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"
#include "services/registry/backoff.h"
#include "services/registry/registry_probe.h"
#include "services/registry/store/history_sweep.h"

namespace homeport::registry {

// Keeps the tables of history (history_table.h) in daily partitions, UTC: makes those of the days
// to come, drops those that are too old. What no day takes lies in the default partition, which
// stays empty in normal running: rows found there that belong to a day move when it is made. Days
// that products keep for less are rid of their rows (history_sweep.h). Any number of pods may run
// it; an advisory lock lets one make and drop days at a time. One thread of its own.
class HistoryKeeper {
 public:
  struct Options {
    int64_t days_ahead = 3;
    int64_t days_kept = 30;
    int64_t sweep_blocks = 128;  // of a partition, that one statement looks at
    postgres::ConnectOptions postgres;
  };
  HistoryKeeper(Options options, const Clock& clock, ServiceProbe& probe);
  ~HistoryKeeper();  // as Stop
  HistoryKeeper(const HistoryKeeper&) = delete;
  HistoryKeeper& operator=(const HistoryKeeper&) = delete;

  void Start();
  void Stop();

 private:
  void Run();
  [[nodiscard]] absl::Status Step();
  [[nodiscard]] absl::Status Keep(std::string_view table);
  [[nodiscard]] absl::Status Sweep(std::string_view table);

  const Options options_;
  const Clock& clock_;
  ServiceProbe& probe_;
  std::unique_ptr<postgres::Connection> postgres_;
  Backoff backoff_;
  int64_t steps_left_ = 0;  // of sweeps in this round
  SweepStep swept_;         // of the partition being swept: what was deleted here
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
