#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/operation_table.h"

namespace homeport::registry {

// The table export_chunk, and what exports are made of. Errors carry the reasons
// EXPORTS_UNFINISHED_MAX, EXPORT_DEVICES_MAX, both RESOURCE_EXHAUSTED.

// The next devices of a tenant by id, deleted ones too: how many, and the id of the last.
struct DeviceRange {
  int64_t devices = 0;
  std::string last;
};
[[nodiscard]] absl::StatusOr<DeviceRange> NextDevices(postgres::Connection& connection,
                                                      const TenantId& tenant,
                                                      std::string_view behind, int64_t limit);

// Behind the devices that `operation` has exported so far. `content`: a serialised
// ListExportedDevicesResponse of so many devices.
[[nodiscard]] absl::Status AddExportChunk(postgres::Transaction& transaction,
                                          const OperationRow& operation, int64_t devices,
                                          const std::string& content);

struct ExportChunk {
  int64_t first = 0;  // how many devices are before it
  int64_t devices = 0;
  std::string content;
};
// Those that hold the devices [first, first + count), in order.
[[nodiscard]] absl::StatusOr<std::vector<ExportChunk>> FindExportChunks(
    postgres::Connection& connection, const OperationRow& operation, int64_t first, int64_t count);

// Of a tenant.
struct ExportUsage {
  int64_t unfinished = 0;  // exports
  int64_t devices = 0;     // held by all
};
[[nodiscard]] absl::StatusOr<ExportUsage> UsageOfExports(postgres::Transaction& transaction,
                                                         const TenantId& tenant);
// Whoever else takes the lock of that tenant waits until the transaction ends.
[[nodiscard]] absl::Status LockExports(postgres::Transaction& transaction, const TenantId& tenant);

[[nodiscard]] absl::Status TooManyExports(const TenantId& tenant, int64_t limit);
[[nodiscard]] absl::Status TooManyExported(const TenantId& tenant, int64_t limit);

}  // namespace homeport::registry
