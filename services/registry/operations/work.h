#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/catalog_probe.h"
#include "services/registry/store/operation_table.h"

namespace homeport::registry {

// What an operation of one kind does. Of one thread.
class OperationWork {
 public:
  virtual ~OperationWork() = default;

  // Does the chunk behind `operation.next_row` and advances the operation with it, in one
  // transaction. Errors: ABORTED FENCED, and other passing ones (of PostgreSQL); what is none of
  // these ends the operation.
  [[nodiscard]] virtual absl::Status RunChunk(postgres::Connection& connection, const Hold& hold,
                                              OperationRow& operation) = 0;
};

struct WorkLimits {
  int64_t chunk_rows = 500;
  int64_t export_devices_max = 10'000'000;  // held for one tenant
};

// From the stored request of `operation`. The probe is borrowed.
[[nodiscard]] absl::StatusOr<std::unique_ptr<OperationWork>> MakeImportWork(
    const OperationRow& operation, const WorkLimits& limits, CatalogProbe& probe);
[[nodiscard]] absl::StatusOr<std::unique_ptr<OperationWork>> MakeExportWork(
    const OperationRow& operation, const WorkLimits& limits, CatalogProbe& probe);

}  // namespace homeport::registry
