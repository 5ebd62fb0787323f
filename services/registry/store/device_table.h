#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/filter/order.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/audit_table.h"
#include "services/registry/store/json_map.h"

namespace homeport::registry {

// The table device, for the gRPC services. Errors carry the reasons
// DEVICE_NOT_FOUND, DEVICE_EXISTS, PRODUCT_NOT_FOUND, ETAG_MISMATCH, QUOTA_EXCEEDED.
struct DeviceRow {
  std::string id;
  std::string tenant;
  std::string product;
  std::string display_name;
  std::string firmware_version;
  StringMap labels;
  StringMap attributes;
  std::vector<std::string> groups;
  bool disabled = false;
  bool retired = false;  // then disabled, too
  bool online = false;
  int64_t presence_ms = 0;
  int64_t version = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  int64_t deleted_ms = 0;  // 0 = not deleted
  int64_t purge_ms = 0;
  std::string secret_sha256;  // to be made with; "" = none, and where a row is read
  std::string sdk;            // what the SDK on it said of itself

  [[nodiscard]] bool deleted() const { return deleted_ms != 0; }
  // May not connect.
  [[nodiscard]] bool blocked() const { return disabled || deleted(); }
};

// With its secret, if it has one. Counts for the tenant's quota.
[[nodiscard]] absl::StatusOr<DeviceRow> CreateDevice(postgres::Transaction& transaction,
                                                     const DeviceRow& row);
// The same in a transaction of its own, with its audit.
[[nodiscard]] absl::StatusOr<DeviceRow> RegisterDevice(postgres::Connection& connection,
                                                       const Actor& actor, const DeviceRow& row);
// Of any tenant, deleted or not.
[[nodiscard]] absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection,
                                                   const DeviceId& id);
[[nodiscard]] absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection,
                                                   const TenantId& tenant, const DeviceId& id);
// Locked until the transaction ends, without its secret; `version` 0 means any.
[[nodiscard]] absl::StatusOr<DeviceRow> LockDevice(postgres::Transaction& transaction,
                                                   const TenantId& tenant, const DeviceId& id,
                                                   int64_t version);
// Replaces everything but product, presence and secret, and raises the version; deleted_ms that is
// not 0 deletes, purge_ms says until when it is kept. REQUIRES: locked.
[[nodiscard]] absl::StatusOr<DeviceRow> WriteDevice(postgres::Transaction& transaction,
                                                    const DeviceRow& row);
// In the place of all its secrets, which are revoked; gateways are told.
[[nodiscard]] absl::Status SetSecret(postgres::Transaction& transaction, std::string_view device,
                                     std::string_view secret_sha256);
// Removes the history of a device that is deleted, in parts; nothing of one that is not.
[[nodiscard]] absl::Status PurgeHistory(postgres::Connection& connection, std::string_view device);
// Removes the device with its credential, sessions, watches and what history is left. Its shadows
// become tombstones: a device of the same id starts empty, but their versions go on. REQUIRES:
// RaiseGeneration of its partition in the same transaction, whose owner forgets what it has cached.
[[nodiscard]] absl::Status RemoveDevice(postgres::Transaction& transaction,
                                        std::string_view device);
// Deleted devices whose time has come, at most `limit`.
[[nodiscard]] absl::StatusOr<std::vector<DeviceRow>> FindPurgeable(postgres::Connection& connection,
                                                                   int64_t limit);

// The fields of filters and orders.
[[nodiscard]] const filter::Schema& DeviceSchema();

struct DeviceSearch {
  TenantId tenant;
  filter::Expression filter = {};
  filter::Order order = {};              // of DeviceSchema()
  std::vector<std::string> behind = {};  // keys of the row to begin behind; empty: the start
  bool deleted_too = false;
  int64_t limit = 0;
  std::string last_id = {};  // none behind this one; "": all
};
// Whether a search asks for nothing special: an index has its rows in order.
[[nodiscard]] bool IsPlain(const DeviceSearch& search);

struct FoundDevices {
  std::vector<DeviceRow> rows;
  std::vector<std::string> last_keys;  // of the last row but the one beyond `limit`
};
// One row more than `limit` where there are more. By one statement. Without secrets.
[[nodiscard]] absl::StatusOr<FoundDevices> SearchDevices(postgres::Connection& connection,
                                                         const DeviceSearch& search);

// Each of the searches, by one statement. REQUIRES: all are plain.
[[nodiscard]] absl::StatusOr<std::vector<absl::StatusOr<FoundDevices>>> FindDevicePages(
    postgres::Connection& connection, const std::vector<DeviceSearch>& searches);

// What a device row holds that callers may change, for the audit log.
[[nodiscard]] std::string AuditText(const DeviceRow& row);

}  // namespace homeport::registry
