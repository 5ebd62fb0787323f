#include "services/registry/store/export_table.h"

#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kNext{
    "export_next",
    "SELECT count(*), coalesce(max(id), '') FROM (SELECT id FROM device WHERE tenant = $1::text"
    " AND id > $2::text ORDER BY id LIMIT $3::int8) AS d"};
constexpr Statement kAdd{"export_add",
                         "INSERT INTO export_chunk (tenant, operation, first, devices, content) "
                         "VALUES ($1::text, $2::text, $3::int8, $4::int8, $5::bytea)"};
constexpr Statement kChunks{
    "export_chunks",
    "SELECT first::int8, devices::int8, content FROM export_chunk "
    "WHERE tenant = $1::text AND operation = $2::text AND first < $3::int8 + $4::int8"
    " AND first >= (SELECT max(first) FROM export_chunk"
    "  WHERE tenant = $1::text AND operation = $2::text AND first <= $3::int8) "
    "ORDER BY first"};
constexpr Statement kUsage{
    "export_usage",
    "SELECT count(*) FILTER (WHERE NOT done), coalesce(sum(exported), 0)::int8 FROM operation "
    "WHERE tenant = $1::text AND kind = 1"};
constexpr Statement kLock{
    "export_lock", "SELECT pg_advisory_xact_lock(hashtextextended('exports/' || $1::text, 0))"};

// With a QuotaFailure. `limit` is the name of the setting, which the reason is, too.
absl::Status Exhausted(const TenantId& tenant, std::string_view reason, std::string_view limit,
                       std::string_view message) {
  absl::Status status = ErrorWithReason(absl::StatusCode::kResourceExhausted, reason, message);
  return WithDetail(WithDetail(std::move(status), "quota_subject", "tenants/" + tenant.str()),
                    "limit", limit);
}

}  // namespace

absl::StatusOr<DeviceRange> NextDevices(postgres::Connection& connection, const TenantId& tenant,
                                        std::string_view behind, int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kNext, Params().Text(tenant.str()).Text(behind).Int8(limit)));
  return DeviceRange{rows.Int8(0, 0), std::string(rows.Text(0, 1))};
}

absl::Status AddExportChunk(postgres::Transaction& transaction, const OperationRow& operation,
                            int64_t devices, const std::string& content) {
  return transaction
      .Execute(kAdd, Params()
                         .Text(operation.tenant)
                         .Text(operation.id)
                         .Int8(operation.exported)
                         .Int8(devices)
                         .Bytes(content))
      .status();
}

absl::StatusOr<std::vector<ExportChunk>> FindExportChunks(postgres::Connection& connection,
                                                          const OperationRow& operation,
                                                          int64_t first, int64_t count) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(
          kChunks, Params().Text(operation.tenant).Text(operation.id).Int8(first).Int8(count)));
  std::vector<ExportChunk> chunks;
  for (size_t i = 0; i < rows.size(); ++i) {
    chunks.push_back({rows.Int8(i, 0), rows.Int8(i, 1), rows.Bytes(i, 2)});
  }
  return chunks;
}

absl::StatusOr<ExportUsage> UsageOfExports(postgres::Transaction& transaction,
                                           const TenantId& tenant) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kUsage, Params().Text(tenant.str())));
  return ExportUsage{rows.Int8(0, 0), rows.Int8(0, 1)};
}

absl::Status LockExports(postgres::Transaction& transaction, const TenantId& tenant) {
  return transaction.Execute(kLock, Params().Text(tenant.str())).status();
}

absl::Status TooManyExports(const TenantId& tenant, int64_t limit) {
  return Exhausted(tenant, "EXPORTS_UNFINISHED_MAX", "exports-unfinished-max",
                   fmt::format("{} exports of the tenant are not finished", limit));
}

absl::Status TooManyExported(const TenantId& tenant, int64_t limit) {
  return Exhausted(tenant, "EXPORT_DEVICES_MAX", "export-devices-max",
                   fmt::format("the tenant's exports may hold {} devices in all: delete the "
                               "operations of old ones",
                               limit));
}

}  // namespace homeport::registry
