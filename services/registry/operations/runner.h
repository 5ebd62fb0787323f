#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "libs/postgres/connection.h"
#include "services/registry/backoff.h"
#include "services/registry/catalog_probe.h"
#include "services/registry/operations/work.h"
#include "services/registry/registry_probe.h"
#include "services/registry/store/operation_table.h"

namespace homeport::registry {

// Works operations off in chunks, turn and turn about, so that a long one does not keep a short
// one waiting. A chunk and the row it came to are one transaction, under a lease: any number of
// pods may run it, and where one died another goes on at the row behind its last commit. One
// thread of its own.
class OperationRunner {
 public:
  struct Options {
    std::string pod;
    WorkLimits limits = {};
    int64_t lease_ms = 10'000;
    int64_t turn_ms = 1'000;  // of one operation, if others wait
    int64_t poll_ms = 1'000;  // between looks for work
    postgres::ConnectOptions postgres;
  };
  // The probes are borrowed.
  OperationRunner(Options options, ServiceProbe& probe, CatalogProbe& catalog);
  ~OperationRunner();  // as Stop
  OperationRunner(const OperationRunner&) = delete;
  OperationRunner& operator=(const OperationRunner&) = delete;

  void Start();
  // After the chunk under way.
  void Stop();

 private:
  void Run();
  // True when there may be more to do at once.
  [[nodiscard]] absl::StatusOr<bool> Step();
  // One turn.
  [[nodiscard]] absl::Status WorkOff(OperationRow& operation);
  [[nodiscard]] absl::StatusOr<std::unique_ptr<OperationWork>> WorkOf(
      const OperationRow& operation);
  // It would fail again.
  [[nodiscard]] absl::Status Fail(const OperationRow& operation, const absl::Status& why);
  [[nodiscard]] Hold hold() const { return {options_.pod, options_.lease_ms}; }

  const Options options_;
  ServiceProbe& probe_;
  CatalogProbe& catalog_;
  std::unique_ptr<postgres::Connection> postgres_;
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
