#include "services/registry/store/tenant_table.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_TENANT_COLUMNS                                             \
  "id, display_name, kind::int8, devices_max, products_max, version," \
  " (extract(epoch FROM created_at) * 1000)::int8,"                   \
  " (extract(epoch FROM updated_at) * 1000)::int8"

constexpr Statement kCreate{
    "tenant_create",
    "INSERT INTO tenant (id, display_name, kind, devices_max, products_max) "
    "VALUES ($1::text, $2::text, $3::int8, $4::int8, $5::int8) "
    "ON CONFLICT DO NOTHING RETURNING " HP_TENANT_COLUMNS};
constexpr Statement kFind{"tenant_find",
                          "SELECT " HP_TENANT_COLUMNS " FROM tenant WHERE id = $1::text"};
// FOR UPDATE, not FOR NO KEY UPDATE: a product that refers to the tenant must wait for its
// deletion.
constexpr Statement kLock{
    "tenant_lock", "SELECT " HP_TENANT_COLUMNS " FROM tenant WHERE id = $1::text FOR UPDATE"};
constexpr Statement kUsage{
    "tenant_usage",
    "SELECT coalesce((SELECT sum(devices) FROM tenant_usage WHERE tenant = $1::text), 0)::int8,"
    " (SELECT count(*) FROM product WHERE tenant = $1::text)"};
constexpr Statement kList{"tenant_list", "SELECT " HP_TENANT_COLUMNS
                                         " FROM tenant "
                                         "WHERE id > $1::text ORDER BY id LIMIT $2::int8"};
constexpr Statement kWrite{
    "tenant_write",
    "UPDATE tenant SET display_name = $2::text, kind = $3::int8, devices_max = $4::int8,"
    " products_max = $5::int8, version = version + 1, updated_at = now() "
    "WHERE id = $1::text RETURNING " HP_TENANT_COLUMNS};
constexpr Statement kIsUsed{"tenant_is_used",
                            "SELECT EXISTS (SELECT FROM device WHERE tenant = $1::text)"
                            " OR EXISTS (SELECT FROM product WHERE tenant = $1::text)"};
constexpr Statement kDeleteUsage{"tenant_delete_usage",
                                 "DELETE FROM tenant_usage WHERE tenant = $1::text"};
// What has signed certificates of devices that are all gone.
constexpr Statement kDeleteAuthorities{"tenant_delete_authorities",
                                       "DELETE FROM authority WHERE tenant = $1::text"};
constexpr Statement kDelete{"tenant_delete", "DELETE FROM tenant WHERE id = $1::text"};
constexpr Statement kQuota{"tenant_quota",
                           "SELECT devices_max, products_max FROM tenant WHERE id = $1::text"};
constexpr Statement kLockQuota{
    "tenant_lock_quota",
    "SELECT devices_max, products_max FROM tenant WHERE id = $1::text FOR NO KEY UPDATE"};
constexpr Statement kCount{
    "tenant_count_devices",
    "INSERT INTO tenant_usage AS u (tenant, slot, devices) VALUES ($1::text, $2::int8, $3::int8) "
    "ON CONFLICT (tenant, slot) DO UPDATE SET devices = u.devices + excluded.devices"};

#undef HP_TENANT_COLUMNS

TenantRow ReadRow(const Result& rows, size_t i) {
  return {.id = std::string(rows.Text(i, 0)),
          .display_name = std::string(rows.Text(i, 1)),
          .kind = rows.Int8(i, 2),
          .devices_max = rows.Int8(i, 3),
          .products_max = rows.Int8(i, 4),
          .version = rows.Int8(i, 5),
          .created_ms = rows.Int8(i, 6),
          .updated_ms = rows.Int8(i, 7)};
}

absl::Status NotFound(std::string_view tenant) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND",
                         fmt::format("no tenant {}", tenant));
}

Params Values(const TenantRow& row) {
  Params params;
  params.Text(row.id)
      .Text(row.display_name)
      .Int8(row.kind)
      .Int8(row.devices_max)
      .Int8(row.products_max);
  return params;
}

}  // namespace

absl::StatusOr<TenantRow> CreateTenant(postgres::Transaction& transaction, const TenantRow& row) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kCreate, Values(row)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "TENANT_EXISTS",
                           fmt::format("tenant {} exists", row.id));
  }
  return ReadRow(rows, 0);
}

absl::StatusOr<TenantRow> FindTenant(postgres::Connection& connection, const TenantId& id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, Params().Text(id.str())));
  if (rows.empty()) return NotFound(id.str());
  return ReadRow(rows, 0);
}

absl::StatusOr<TenantRow> LockTenant(postgres::Transaction& transaction, const TenantId& id,
                                     int64_t version) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kLock, Params().Text(id.str())));
  if (rows.empty()) return NotFound(id.str());
  TenantRow row = ReadRow(rows, 0);
  if (version != 0 && row.version != version) {
    return ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("the tenant is at etag {}", row.version));
  }
  return row;
}

absl::StatusOr<TenantUsage> FindUsage(postgres::Connection& connection, const TenantId& id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kUsage, Params().Text(id.str())));
  return TenantUsage{rows.Int8(0, 0), rows.Int8(0, 1)};
}

absl::StatusOr<std::vector<TenantRow>> ListTenants(postgres::Connection& connection,
                                                   std::string_view after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kList, Params().Text(after).Int8(limit)));
  std::vector<TenantRow> tenants;
  for (size_t i = 0; i < rows.size(); ++i) tenants.push_back(ReadRow(rows, i));
  return tenants;
}

absl::StatusOr<TenantRow> WriteTenant(postgres::Transaction& transaction, const TenantRow& row) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kWrite, Values(row)));
  if (rows.empty()) return NotFound(row.id);
  return ReadRow(rows, 0);
}

absl::Status DeleteTenant(postgres::Transaction& transaction, const TenantId& id) {
  HP_ASSIGN_OR_RETURN(const Result used, transaction.Execute(kIsUsed, Params().Text(id.str())));
  if (used.Bool(0, 0)) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "TENANT_NOT_EMPTY",
                           fmt::format("tenant {} has devices or products", id.str()));
  }
  HP_RETURN_IF_ERROR(transaction.Execute(kDeleteUsage, Params().Text(id.str())).status());
  HP_RETURN_IF_ERROR(transaction.Execute(kDeleteAuthorities, Params().Text(id.str())).status());
  return transaction.Execute(kDelete, Params().Text(id.str())).status();
}

absl::StatusOr<int64_t> DevicesLeft(postgres::Transaction& transaction, std::string_view tenant) {
  HP_ASSIGN_OR_RETURN(const Result quota, transaction.Execute(kQuota, Params().Text(tenant)));
  if (quota.empty() || quota.Int8(0, 0) == 0) return kNoLimit;
  HP_ASSIGN_OR_RETURN(const Result locked, transaction.Execute(kLockQuota, Params().Text(tenant)));
  HP_ASSIGN_OR_RETURN(const Result usage, transaction.Execute(kUsage, Params().Text(tenant)));
  return std::max<int64_t>(0, locked.Int8(0, 0) - usage.Int8(0, 0));
}

absl::Status CheckProductQuota(postgres::Transaction& transaction, std::string_view tenant) {
  HP_ASSIGN_OR_RETURN(const Result quota, transaction.Execute(kQuota, Params().Text(tenant)));
  if (quota.empty() || quota.Int8(0, 1) == 0) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const Result locked, transaction.Execute(kLockQuota, Params().Text(tenant)));
  HP_ASSIGN_OR_RETURN(const Result usage, transaction.Execute(kUsage, Params().Text(tenant)));
  if (usage.Int8(0, 1) < locked.Int8(0, 1)) return absl::OkStatus();
  return QuotaExceeded(tenant, "products");
}

absl::StatusOr<bool> HasRoomForDevices(postgres::Connection& connection, std::string_view tenant) {
  HP_ASSIGN_OR_RETURN(const Result quota, connection.Execute(kQuota, Params().Text(tenant)));
  if (quota.empty() || quota.Int8(0, 0) == 0) return true;
  HP_ASSIGN_OR_RETURN(const Result usage, connection.Execute(kUsage, Params().Text(tenant)));
  return usage.Int8(0, 0) < quota.Int8(0, 0);
}

absl::Status CountDevices(postgres::Transaction& transaction, std::string_view tenant,
                          int64_t devices, size_t slot) {
  return transaction
      .Execute(kCount,
               Params().Text(tenant).Int8(static_cast<int64_t>(slot % kUsageSlots)).Int8(devices))
      .status();
}

absl::Status QuotaExceeded(std::string_view tenant, std::string_view quota) {
  log::Refusal("quota_exceeded", {{"tenant", tenant}, {"quota", quota}});
  const std::string subject = fmt::format("tenants/{}", tenant);
  absl::Status status =
      ErrorWithReason(absl::StatusCode::kResourceExhausted, "QUOTA_EXCEEDED",
                      fmt::format("{} has used up its quota of {}", subject, quota));
  return WithDetail(WithDetail(std::move(status), "quota_subject", subject), "quota", quota);
}

}  // namespace homeport::registry
