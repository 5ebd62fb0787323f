#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// The tables operation and import_failure. Errors carry the reasons OPERATION_NOT_FOUND,
// OPERATION_RUNNING, FENCED.
struct OperationRow {
  std::string tenant;
  std::string id;  // sorts by age
  std::string actor;
  std::string request;  // device.v1.ImportDevicesRequest; read by ClaimOperation only
  int64_t rows = 0;
  int64_t next_row = 0;
  int64_t created = 0;
  int64_t updated = 0;
  int64_t failed = 0;
  bool cancelled = false;
  bool done = false;
  int64_t error_code = 0;  // google.rpc.Code
  std::string error;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

// Why a row of an import was not taken.
struct FailureRow {
  int64_t row = 0;
  int64_t line = 0;
  std::string device;
  int64_t code = 0;
  std::string reason;
  std::string message;
};

[[nodiscard]] absl::StatusOr<OperationRow> CreateOperation(postgres::Transaction& transaction,
                                                           const OperationRow& row);
[[nodiscard]] absl::StatusOr<OperationRow> FindOperation(postgres::Connection& connection,
                                                         const TenantId& tenant,
                                                         std::string_view id);
// Newest first, those before `before` ("": all).
[[nodiscard]] absl::StatusOr<std::vector<OperationRow>> ListOperations(
    postgres::Connection& connection, const TenantId& tenant, std::string_view before,
    int64_t limit);
[[nodiscard]] absl::Status CancelOperation(postgres::Connection& connection, const TenantId& tenant,
                                           std::string_view id);
// With its failures. REQUIRES a finished one.
[[nodiscard]] absl::Status DeleteOperation(postgres::Connection& connection, const TenantId& tenant,
                                           std::string_view id);
// By row, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<FailureRow>> ListFailures(postgres::Connection& connection,
                                                                   const TenantId& tenant,
                                                                   std::string_view operation,
                                                                   int64_t after, int64_t limit);

// The oldest unfinished operation that nobody holds, or that `pod` holds; held from now on for
// `lease_ms`.
[[nodiscard]] absl::StatusOr<std::optional<OperationRow>> ClaimOperation(
    postgres::Connection& connection, std::string_view pod, int64_t lease_ms);

// What one chunk came to, and the rows behind it.
struct Advance {
  int64_t next_row = 0;
  int64_t created = 0;
  int64_t updated = 0;
  std::vector<FailureRow> failures;
};
// In the transaction of the chunk; finishes the operation with its last row. ABORTED FENCED: `pod`
// does not hold it any more, or the chunk was done before. `operation` is brought up to date.
[[nodiscard]] absl::Status AdvanceOperation(postgres::Transaction& transaction,
                                            std::string_view pod, int64_t lease_ms,
                                            const Advance& advance, OperationRow& operation);
// Finishes it with an error.
[[nodiscard]] absl::Status EndOperation(postgres::Connection& connection, std::string_view pod,
                                        const OperationRow& operation, int64_t error_code,
                                        std::string_view error);

}  // namespace homeport::registry
