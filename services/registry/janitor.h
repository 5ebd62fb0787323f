#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"
#include "services/registry/backoff.h"
#include "services/registry/catalog_probe.h"
#include "services/registry/registry_probe.h"
#include "services/registry/store/device_table.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

// Removes what is kept for a time only: deleted devices whose purge time has come, answers to
// repeated requests, the audit log, finished operations, the last batches of gateways. Each
// statement is bounded, so that it never holds others up. Any number of pods may run it. One thread
// of its own.
class Janitor {
 public:
  struct Options {
    uint32_t partitions = 0;
    int64_t request_answer_hours = 24;
    int64_t audit_days = 365;
    int64_t operation_days = 30;
    int64_t step_ms = 10'000;
    postgres::ConnectOptions postgres;
  };
  // The appender is borrowed.
  Janitor(Options options, StreamAppender& appender, ServiceProbe& probe, CatalogProbe& catalog);
  ~Janitor();  // as Stop
  Janitor(const Janitor&) = delete;
  Janitor& operator=(const Janitor&) = delete;

  void Start();
  void Stop();

 private:
  void Run();
  // True when there was more than one step takes.
  [[nodiscard]] absl::StatusOr<bool> Step();
  [[nodiscard]] absl::StatusOr<size_t> PurgeDevices();
  [[nodiscard]] absl::Status PurgeDevice(const DeviceRow& found);
  [[nodiscard]] absl::StatusOr<size_t> PurgeSilentPods();

  const Options options_;
  StreamAppender& appender_;
  ServiceProbe& probe_;
  CatalogProbe& catalog_;
  std::unique_ptr<postgres::Connection> postgres_;
  MonoMs silent_pods_at_;
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
