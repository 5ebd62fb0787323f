#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/audit_table.h"

namespace homeport::registry {

// The tables tenant and tenant_usage. Errors carry the reasons TENANT_NOT_FOUND, TENANT_EXISTS,
// TENANT_NOT_EMPTY, ETAG_MISMATCH, QUOTA_EXCEEDED.
struct TenantRow {
  std::string id;
  std::string display_name;
  int64_t kind = 0;         // tenant.v1.Tenant.Kind
  int64_t devices_max = 0;  // 0 = no limit
  int64_t products_max = 0;
  int64_t version = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

struct TenantUsage {
  int64_t devices = 0;
  int64_t products = 0;
};

[[nodiscard]] absl::StatusOr<TenantRow> CreateTenant(postgres::Transaction& transaction,
                                                     const TenantRow& row);
[[nodiscard]] absl::StatusOr<TenantRow> FindTenant(postgres::Connection& connection,
                                                   const TenantId& id);
// Locked until the transaction ends; `version` 0 means any.
[[nodiscard]] absl::StatusOr<TenantRow> LockTenant(postgres::Transaction& transaction,
                                                   const TenantId& id, int64_t version);
[[nodiscard]] absl::StatusOr<TenantUsage> FindUsage(postgres::Connection& connection,
                                                    const TenantId& id);
// Sorted by id, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<TenantRow>> ListTenants(postgres::Connection& connection,
                                                                 std::string_view after,
                                                                 int64_t limit);
// Replaces display name, kind and quotas. REQUIRES: locked.
[[nodiscard]] absl::StatusOr<TenantRow> WriteTenant(postgres::Transaction& transaction,
                                                    const TenantRow& row);
// REQUIRES: locked.
[[nodiscard]] absl::Status DeleteTenant(postgres::Transaction& transaction, const TenantId& id);

// Room for so many more devices, 0 for none, kNoLimit where there is no quota. With a quota, others
// who ask wait until the transaction ends.
inline constexpr int64_t kNoLimit = INT64_MAX;
[[nodiscard]] absl::StatusOr<int64_t> DevicesLeft(postgres::Transaction& transaction,
                                                  std::string_view tenant);
// The same for one more product.
[[nodiscard]] absl::Status CheckProductQuota(postgres::Transaction& transaction,
                                             std::string_view tenant);
// Whether devices may still register themselves.
[[nodiscard]] absl::StatusOr<bool> HasRoomForDevices(postgres::Connection& connection,
                                                     std::string_view tenant);
// Devices that came, or went. Those with equal `slot` modulo kUsageSlots wait for one another.
inline constexpr size_t kUsageSlots = 16;
[[nodiscard]] absl::Status CountDevices(postgres::Transaction& transaction, std::string_view tenant,
                                        int64_t devices, size_t slot);

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED.
[[nodiscard]] absl::Status QuotaExceeded(std::string_view tenant, std::string_view quota);

}  // namespace homeport::registry
