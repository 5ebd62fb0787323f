#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "homeport/device/v1/device.pb.h"
#include "libs/postgres/connection.h"
#include "services/registry/backoff.h"
#include "services/registry/catalog_probe.h"
#include "services/registry/registry_probe.h"
#include "services/registry/store/operation_table.h"

namespace homeport::registry {

// Works imports off, the oldest first, in chunks. A chunk and the row it came to are one
// transaction, under a lease: any number of pods may run it, and where one died another goes on at
// the row behind its last commit. One thread of its own.
class ImportRunner {
 public:
  struct Options {
    std::string pod;
    int64_t chunk_rows = 500;
    int64_t lease_ms = 10'000;
    int64_t poll_ms = 1'000;  // between looks for work
    postgres::ConnectOptions postgres;
  };
  ImportRunner(Options options, ServiceProbe& probe, CatalogProbe& catalog);
  ~ImportRunner();  // as Stop
  ImportRunner(const ImportRunner&) = delete;
  ImportRunner& operator=(const ImportRunner&) = delete;

  void Start();
  // After the chunk under way.
  void Stop();

 private:
  void Run();
  // True when there may be more to do at once.
  [[nodiscard]] absl::StatusOr<bool> Step();
  [[nodiscard]] absl::Status WorkOff(OperationRow& operation);
  [[nodiscard]] absl::Status RunChunk(const device::v1::ImportDevicesRequest& request,
                                      OperationRow& operation);

  const Options options_;
  ServiceProbe& probe_;
  CatalogProbe& catalog_;
  std::unique_ptr<postgres::Connection> postgres_;
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
