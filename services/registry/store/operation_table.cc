#include "services/registry/store/operation_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_OPERATION_COLUMNS                                                                   \
  "tenant, id, actor, rows::int8, next_row::int8, created::int8, updated::int8, failed::int8," \
  " cancelled, done, error_code::int8, error, (extract(epoch FROM created_at) * 1000)::int8,"  \
  " (extract(epoch FROM updated_at) * 1000)::int8, kind::int8, exported::int8, last_key,"      \
  " error_reason"
constexpr int kColumns = 18;

constexpr Statement kCreate{"operation_create",
                            "INSERT INTO operation (tenant, id, kind, actor, request, rows) "
                            "VALUES ($1::text, $2::text, $3::int8, $4::text, $5::bytea, $6::int8) "
                            "RETURNING " HP_OPERATION_COLUMNS};
constexpr Statement kFind{"operation_find", "SELECT " HP_OPERATION_COLUMNS
                                            " FROM operation "
                                            "WHERE tenant = $1::text AND id = $2::text"};
constexpr Statement kList{"operation_list",
                          "SELECT " HP_OPERATION_COLUMNS
                          " FROM operation WHERE tenant = $1::text"
                          " AND ($2::text = '' OR id < $2::text) ORDER BY id DESC LIMIT $3::int8"};
constexpr Statement kCancel{"operation_cancel",
                            "UPDATE operation SET cancelled = cancelled OR NOT done "
                            "WHERE tenant = $1::text AND id = $2::text"};
constexpr Statement kDelete{"operation_delete",
                            "DELETE FROM operation "
                            "WHERE tenant = $1::text AND id = $2::text AND done"};
constexpr Statement kFailures{
    "import_failures",
    "SELECT row::int8, line::int8, device, code::int8, reason, message FROM import_failure "
    "WHERE tenant = $1::text AND operation = $2::text AND row > $3::int8 "
    "ORDER BY row LIMIT $4::int8"};
constexpr Statement kClaim{
    "operation_claim",
    "UPDATE operation SET owner = $1::text, lease_until = now() + $2::int8 * interval '1 ms' "
    "WHERE (tenant, id) = (SELECT tenant, id FROM operation WHERE NOT done"
    " AND (owner = $1::text OR lease_until < now()) ORDER BY updated_at, id LIMIT 1"
    " FOR UPDATE SKIP LOCKED) RETURNING " HP_OPERATION_COLUMNS ", request"};
constexpr Statement kRelease{
    "operation_release",
    "UPDATE operation SET owner = '', lease_until = '-infinity' "
    "WHERE tenant = $1::text AND id = $2::text AND owner = $3::text AND NOT done"};
constexpr Statement kAdvance{
    "operation_advance",
    "UPDATE operation SET next_row = $5::int8, last_key = $6::text, created = created + $7::int8,"
    " updated = updated + $8::int8, failed = failed + $9::int8, exported = exported + $10::int8,"
    " done = $11::bool, request = CASE WHEN $11::bool THEN ''::bytea ELSE request END,"
    " lease_until = now() + $12::int8 * interval '1 ms', updated_at = now() "
    "WHERE tenant = $1::text AND id = $2::text AND owner = $3::text AND next_row = $4::int8"
    " AND NOT done RETURNING " HP_OPERATION_COLUMNS};
constexpr Statement kAddFailures{
    "import_add_failures",
    "INSERT INTO import_failure (tenant, operation, row, line, device, code, reason, message) "
    "SELECT $1::text, $2::text, * FROM unnest($3::int8[], $4::int8[], $5::text[], $6::int8[],"
    " $7::text[], $8::text[])"};
constexpr Statement kEnd{
    "operation_end",
    "WITH ended AS (UPDATE operation SET done = true, request = '', exported = 0,"
    " error_code = $4::int8, error = $5::text, error_reason = $6::text, updated_at = now() "
    "WHERE tenant = $1::text AND id = $2::text AND owner = $3::text AND NOT done"
    " RETURNING tenant, id) "
    "DELETE FROM export_chunk c USING ended e WHERE c.tenant = e.tenant AND c.operation = e.id"};

#undef HP_OPERATION_COLUMNS

OperationRow ReadRow(const Result& rows, size_t i) {
  return {.tenant = std::string(rows.Text(i, 0)),
          .id = std::string(rows.Text(i, 1)),
          .kind = static_cast<OperationKind>(rows.Int8(i, 14)),
          .actor = std::string(rows.Text(i, 2)),
          .request = {},
          .rows = rows.Int8(i, 3),
          .next_row = rows.Int8(i, 4),
          .last_key = std::string(rows.Text(i, 16)),
          .created = rows.Int8(i, 5),
          .updated = rows.Int8(i, 6),
          .failed = rows.Int8(i, 7),
          .exported = rows.Int8(i, 15),
          .cancelled = rows.Bool(i, 8),
          .done = rows.Bool(i, 9),
          .error_code = rows.Int8(i, 10),
          .error = std::string(rows.Text(i, 11)),
          .error_reason = std::string(rows.Text(i, 17)),
          .created_ms = rows.Int8(i, 12),
          .updated_ms = rows.Int8(i, 13)};
}

absl::Status NotFound(std::string_view id) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
                         fmt::format("no operation {}", id));
}

absl::Status AddFailures(postgres::Transaction& transaction, const OperationRow& operation,
                         const std::vector<FailureRow>& failures) {
  if (failures.empty()) return absl::OkStatus();
  Array rows = Array::OfInt8(), lines = Array::OfInt8(), codes = Array::OfInt8();
  Array devices = Array::OfText(), reasons = Array::OfText(), messages = Array::OfText();
  for (const FailureRow& failure : failures) {
    rows.AddInt8(failure.row);
    lines.AddInt8(failure.line);
    devices.Add(failure.device);
    codes.AddInt8(failure.code);
    reasons.Add(failure.reason);
    messages.Add(failure.message);
  }
  return transaction
      .Execute(kAddFailures, Params()
                                 .Text(operation.tenant)
                                 .Text(operation.id)
                                 .Add(std::move(rows))
                                 .Add(std::move(lines))
                                 .Add(std::move(devices))
                                 .Add(std::move(codes))
                                 .Add(std::move(reasons))
                                 .Add(std::move(messages)))
      .status();
}

}  // namespace

absl::StatusOr<OperationRow> CreateOperation(postgres::Transaction& transaction,
                                             const OperationRow& row) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kCreate, Params()
                                                       .Text(row.tenant)
                                                       .Text(row.id)
                                                       .Int8(static_cast<int64_t>(row.kind))
                                                       .Text(row.actor)
                                                       .Bytes(row.request)
                                                       .Int8(row.rows)));
  return ReadRow(rows, 0);
}

absl::StatusOr<OperationRow> FindOperation(postgres::Connection& connection, const TenantId& tenant,
                                           std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFind, Params().Text(tenant.str()).Text(id)));
  if (rows.empty()) return NotFound(id);
  return ReadRow(rows, 0);
}

absl::StatusOr<std::vector<OperationRow>> ListOperations(postgres::Connection& connection,
                                                         const TenantId& tenant,
                                                         std::string_view before, int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kList, Params().Text(tenant.str()).Text(before).Int8(limit)));
  std::vector<OperationRow> operations;
  for (size_t i = 0; i < rows.size(); ++i) operations.push_back(ReadRow(rows, i));
  return operations;
}

absl::Status CancelOperation(postgres::Connection& connection, const TenantId& tenant,
                             std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kCancel, Params().Text(tenant.str()).Text(id)));
  return rows.affected() == 0 ? NotFound(id) : absl::OkStatus();
}

absl::Status DeleteOperation(postgres::Connection& connection, const TenantId& tenant,
                             std::string_view id) {
  HP_RETURN_IF_ERROR(FindOperation(connection, tenant, id).status());
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kDelete, Params().Text(tenant.str()).Text(id)));
  if (rows.affected() > 0) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "OPERATION_RUNNING",
                         fmt::format("operation {} is not finished: cancel it first", id));
}

absl::StatusOr<std::vector<FailureRow>> ListFailures(postgres::Connection& connection,
                                                     const TenantId& tenant,
                                                     std::string_view operation, int64_t after,
                                                     int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kFailures,
                         Params().Text(tenant.str()).Text(operation).Int8(after).Int8(limit)));
  std::vector<FailureRow> failures;
  for (size_t i = 0; i < rows.size(); ++i) {
    failures.push_back({.row = rows.Int8(i, 0),
                        .line = rows.Int8(i, 1),
                        .device = std::string(rows.Text(i, 2)),
                        .code = rows.Int8(i, 3),
                        .reason = std::string(rows.Text(i, 4)),
                        .message = std::string(rows.Text(i, 5))});
  }
  return failures;
}

absl::StatusOr<std::optional<OperationRow>> ClaimOperation(postgres::Connection& connection,
                                                           const Hold& hold) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kClaim, Params().Text(hold.pod).Int8(hold.lease_ms)));
  if (rows.empty()) return std::nullopt;
  OperationRow row = ReadRow(rows, 0);
  row.request = rows.Bytes(0, kColumns);
  return row;
}

absl::Status ReleaseOperation(postgres::Connection& connection, std::string_view pod,
                              const OperationRow& operation) {
  return connection.Execute(kRelease, Params().Text(operation.tenant).Text(operation.id).Text(pod))
      .status();
}

absl::Status AdvanceOperation(postgres::Transaction& transaction, const Hold& hold,
                              const Advance& advance, OperationRow& operation) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kAdvance, Params()
                                        .Text(operation.tenant)
                                        .Text(operation.id)
                                        .Text(hold.pod)
                                        .Int8(operation.next_row)
                                        .Int8(advance.next_row)
                                        .Text(advance.last_key)
                                        .Int8(advance.created)
                                        .Int8(advance.updated)
                                        .Int8(static_cast<int64_t>(advance.failures.size()))
                                        .Int8(advance.exported)
                                        .Bool(advance.done)
                                        .Int8(hold.lease_ms)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAborted, "FENCED",
                           "another pod has taken the operation over");
  }
  HP_RETURN_IF_ERROR(AddFailures(transaction, operation, advance.failures));
  operation = ReadRow(rows, 0);
  return absl::OkStatus();
}

absl::Status EndOperation(postgres::Connection& connection, std::string_view pod,
                          const OperationRow& operation, const absl::Status& error) {
  return connection
      .Execute(kEnd, Params()
                         .Text(operation.tenant)
                         .Text(operation.id)
                         .Text(pod)
                         .Int8(static_cast<int64_t>(error.code()))
                         .Text(Message(error))
                         .Text(ReasonOf(error)))
      .status();
}

}  // namespace homeport::registry
