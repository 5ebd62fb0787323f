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
enum class OperationKind : uint8_t { kImport = 0, kExport = 1 };

struct OperationRow {
  std::string tenant;
  std::string id;  // sorts by age
  OperationKind kind = OperationKind::kImport;
  std::string actor;
  std::string request;   // device.v1, of its kind; read by ClaimOperation only
  int64_t rows = 0;      // to be worked off; of an export about so many
  int64_t next_row = 0;  // how many are worked off
  std::string last_key;  // of an export: the id of the last of them
  int64_t created = 0;   // by an import
  int64_t updated = 0;   // by an import
  int64_t failed = 0;    // of an import
  int64_t exported = 0;  // devices that an export holds
  bool cancelled = false;
  bool done = false;
  int64_t error_code = 0;  // google.rpc.Code
  std::string error;
  std::string error_reason;
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
// With its failures, or what it holds. REQUIRES a finished one.
[[nodiscard]] absl::Status DeleteOperation(postgres::Connection& connection, const TenantId& tenant,
                                           std::string_view id);
// By row, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<FailureRow>> ListFailures(postgres::Connection& connection,
                                                                   const TenantId& tenant,
                                                                   std::string_view operation,
                                                                   int64_t after, int64_t limit);

// Who works an operation off, and for how long without a word from it.
struct Hold {
  std::string_view pod;
  int64_t lease_ms = 0;
};
// The unfinished operation that has waited longest of those that nobody holds, or that `hold.pod`
// holds; held from now on.
[[nodiscard]] absl::StatusOr<std::optional<OperationRow>> ClaimOperation(
    postgres::Connection& connection, const Hold& hold);
// For the next who claims.
[[nodiscard]] absl::Status ReleaseOperation(postgres::Connection& connection, std::string_view pod,
                                            const OperationRow& operation);

// What one chunk came to, and the rows behind it.
struct Advance {
  int64_t next_row = 0;
  std::string last_key = {};
  int64_t created = 0;
  int64_t updated = 0;
  int64_t exported = 0;
  bool done = false;  // it was the last
  std::vector<FailureRow> failures = {};
};
// In the transaction of the chunk. ABORTED FENCED: the pod does not hold it any more, or the chunk
// was done before. `operation` is brought up to date.
[[nodiscard]] absl::Status AdvanceOperation(postgres::Transaction& transaction, const Hold& hold,
                                            const Advance& advance, OperationRow& operation);
// Finishes it with an error; it holds nothing then.
[[nodiscard]] absl::Status EndOperation(postgres::Connection& connection, std::string_view pod,
                                        const OperationRow& operation, const absl::Status& error);

}  // namespace homeport::registry
