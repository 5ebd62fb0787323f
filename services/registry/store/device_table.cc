#include "services/registry/store/device_table.h"

#include <functional>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/postgres/in_transaction.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/credential_table.h"
#include "services/registry/store/device_columns.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/secrets.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kCreate{
    "device_create",
    "INSERT INTO device AS d (id, tenant, product, display_name, firmware_version, labels,"
    " attributes, device_groups) "
    "VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text::jsonb, $7::text::jsonb,"
    " $8::text[]) ON CONFLICT DO NOTHING RETURNING " HP_DEVICE_COLUMNS};
constexpr Statement kFind{"device_find",
                          "SELECT " HP_DEVICE_COLUMNS " FROM device d WHERE d.id = $1::text"};
constexpr Statement kLock{"device_lock",
                          "SELECT " HP_DEVICE_COLUMNS
                          " FROM device d "
                          "WHERE d.id = $1::text AND d.tenant = $2::text FOR UPDATE"};
constexpr Statement kWrite{
    "device_write",
    "UPDATE device d SET display_name = $2::text, firmware_version = $3::text,"
    " labels = $4::text::jsonb, attributes = $5::text::jsonb, device_groups = $6::text[],"
    " disabled = $7::bool, retired = $8::bool,"
    " deleted_at = CASE WHEN $9::int8 <> 0 THEN coalesce(deleted_at, now()) END,"
    " purge_at = CASE WHEN $9::int8 <> 0 THEN to_timestamp($10::int8 / 1000.0) END,"
    " version = version + 1, updated_at = now() "
    "WHERE d.id = $1::text RETURNING " HP_DEVICE_COLUMNS};
constexpr Statement kFindPurgeable{"device_find_purgeable",
                                   "SELECT " HP_DEVICE_COLUMNS
                                   " FROM device d "
                                   "WHERE d.purge_at <= now() ORDER BY d.purge_at LIMIT $1::int8"};
// A part of what a deleted device has left. Each bounded in rows, so in time.
constexpr Statement kPurgeHistory[] = {
    {"device_purge_telemetry",
     "DELETE FROM telemetry WHERE device = $1::text AND received_at <= coalesce("
     "(SELECT received_at FROM telemetry WHERE device = $1::text"
     " ORDER BY received_at OFFSET $2::int8 LIMIT 1), 'infinity')"
     " AND EXISTS (SELECT FROM device WHERE id = $1::text AND deleted_at IS NOT NULL)"},
    {"device_purge_events",
     "DELETE FROM event WHERE device = $1::text AND received_at <= coalesce("
     "(SELECT received_at FROM event WHERE device = $1::text"
     " ORDER BY received_at OFFSET $2::int8 LIMIT 1), 'infinity')"
     " AND EXISTS (SELECT FROM device WHERE id = $1::text AND deleted_at IS NOT NULL)"},
    {"device_purge_properties",
     "WITH one AS MATERIALIZED (SELECT name FROM property_sample WHERE device = $1::text"
     " ORDER BY name LIMIT 1) "
     "DELETE FROM property_sample WHERE device = $1::text AND name = (SELECT name FROM one)"
     " AND received_at <= coalesce((SELECT received_at FROM property_sample"
     " WHERE device = $1::text AND name = (SELECT name FROM one)"
     " ORDER BY received_at OFFSET $2::int8 LIMIT 1), 'infinity')"
     " AND EXISTS (SELECT FROM device WHERE id = $1::text AND deleted_at IS NOT NULL)"},
};
constexpr Statement kRemove[] = {
    {"device_remove", "DELETE FROM device WHERE id = $1::text"},
    {"device_remove_credential", "DELETE FROM credential WHERE device = $1::text"},
    {"device_revoke_certificates",
     "UPDATE certificate SET state = 'revoked' WHERE device = $1::text AND device <> ''"},
    {"device_remove_sessions", "DELETE FROM device_session WHERE device = $1::text"},
    {"device_remove_watches", "DELETE FROM watch WHERE device = $1::text"},
    {"device_remove_child", "DELETE FROM device_child WHERE device = $1::text"},
    {"device_remove_children", "DELETE FROM hub_child WHERE hub = $1::text"},
    {"device_remove_check", "DELETE FROM presence_check WHERE device = $1::text"},
    {"device_remove_telemetry", "DELETE FROM telemetry WHERE device = $1::text"},
    {"device_remove_events", "DELETE FROM event WHERE device = $1::text"},
    {"device_remove_properties", "DELETE FROM property_sample WHERE device = $1::text"},
    {"device_bury_shadows",
     "UPDATE shadow SET deleted = true, version = version + 1, state = '', metadata = '',"
     " last_report_id = -1 WHERE device = $1::text AND NOT deleted"},
};

absl::Status NotFound(std::string_view device) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND",
                         fmt::format("no device {}", device));
}

// For gateways, which may know the device, or remember that there is none.
enum class Access : uint8_t { kChanged, kRevoked };
absl::Status NoteDevice(postgres::Transaction& transaction, std::string_view device,
                        Access access) {
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_DEVICE);
  change.set_name(std::string(device));
  change.set_revoked(access == Access::kRevoked);
  return NoteChange(transaction, change);
}

Array ToArray(const std::vector<std::string>& texts) {
  Array array = Array::OfText();
  for (const std::string& text : texts) array.Add(text);
  return array;
}

}  // namespace

absl::StatusOr<DeviceRow> CreateDevice(postgres::Transaction& transaction, const DeviceRow& row) {
  HP_ASSIGN_OR_RETURN(const auto products, KeepProducts(transaction, {row.product}));
  if (products.empty()) return ProductNotFound(row.product);
  HP_ASSIGN_OR_RETURN(const int64_t left, DevicesLeft(transaction, row.tenant));
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kCreate, Params()
                                                       .Text(row.id)
                                                       .Text(row.tenant)
                                                       .Text(row.product)
                                                       .Text(row.display_name)
                                                       .Text(row.firmware_version)
                                                       .Text(ToJson(row.labels))
                                                       .Text(ToJson(row.attributes))
                                                       .Add(ToArray(row.groups))));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "DEVICE_EXISTS",
                           fmt::format("device {} exists", row.id));
  }
  if (left == 0) return QuotaExceeded(row.tenant, "devices");
  HP_RETURN_IF_ERROR(CountDevices(transaction, row.tenant, 1, std::hash<std::string>{}(row.id)));
  if (!row.secret_sha256.empty()) {
    HP_RETURN_IF_ERROR(SetSecret(transaction, row.id, row.secret_sha256));
  } else {
    HP_RETURN_IF_ERROR(NoteDevice(transaction, row.id, Access::kChanged));
  }
  return ReadDeviceRow(rows, 0);
}

absl::StatusOr<DeviceRow> RegisterDevice(postgres::Connection& connection, const Actor& actor,
                                         const DeviceRow& row) {
  const auto make = [&](postgres::Transaction& transaction) -> absl::StatusOr<DeviceRow> {
    HP_ASSIGN_OR_RETURN(DeviceRow made, CreateDevice(transaction, row));
    HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateDevice", "devices/" + row.id,
                             {.before = {}, .after = AuditText(made)}));
    return made;
  };
  return postgres::InTransaction(connection, make);
}

absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection, const DeviceId& id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, Params().Text(id.str())));
  if (rows.empty()) return NotFound(id.str());
  return ReadDeviceRow(rows, 0);
}

absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection, const TenantId& tenant,
                                     const DeviceId& id) {
  HP_ASSIGN_OR_RETURN(DeviceRow row, FindDevice(connection, id));
  if (row.tenant != tenant.str()) return NotFound(id.str());
  return row;
}

absl::StatusOr<DeviceRow> LockDevice(postgres::Transaction& transaction, const TenantId& tenant,
                                     const DeviceId& id, int64_t version) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kLock, Params().Text(id.str()).Text(tenant.str())));
  if (rows.empty()) return NotFound(id.str());
  DeviceRow row = ReadDeviceRow(rows, 0);
  if (version != 0 && row.version != version) {
    return ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("the device is at etag {}", row.version));
  }
  return row;
}

absl::StatusOr<DeviceRow> WriteDevice(postgres::Transaction& transaction, const DeviceRow& row) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kWrite, Params()
                                                      .Text(row.id)
                                                      .Text(row.display_name)
                                                      .Text(row.firmware_version)
                                                      .Text(ToJson(row.labels))
                                                      .Text(ToJson(row.attributes))
                                                      .Add(ToArray(row.groups))
                                                      .Bool(row.disabled)
                                                      .Bool(row.retired)
                                                      .Int8(row.deleted_ms)
                                                      .Int8(row.purge_ms)));
  if (rows.empty()) return NotFound(row.id);
  DeviceRow written = ReadDeviceRow(rows, 0);
  HP_RETURN_IF_ERROR(
      NoteDevice(transaction, row.id, written.blocked() ? Access::kRevoked : Access::kChanged));
  return written;
}

absl::Status SetSecret(postgres::Transaction& transaction, std::string_view device,
                       std::string_view secret_sha256) {
  return ReplaceSecrets(transaction, SecretHashRow(device, secret_sha256));
}

absl::Status PurgeHistory(postgres::Connection& connection, std::string_view device) {
  constexpr int64_t kRows = 5'000;
  for (const Statement& statement : kPurgeHistory) {
    for (int64_t deleted = 1; deleted > 0;) {
      HP_ASSIGN_OR_RETURN(const Result rows,
                          connection.Execute(statement, Params().Text(device).Int8(kRows)));
      deleted = static_cast<int64_t>(rows.affected());
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveDevice(postgres::Transaction& transaction, std::string_view device) {
  for (const Statement& statement : kRemove) {
    HP_RETURN_IF_ERROR(transaction.Execute(statement, Params().Text(device)).status());
  }
  return NoteDevice(transaction, device, Access::kRevoked);
}

absl::StatusOr<std::vector<DeviceRow>> FindPurgeable(postgres::Connection& connection,
                                                     int64_t limit) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFindPurgeable, Params().Int8(limit)));
  std::vector<DeviceRow> devices;
  for (size_t i = 0; i < rows.size(); ++i) devices.push_back(ReadDeviceRow(rows, i));
  return devices;
}

std::string AuditText(const DeviceRow& row) {
  std::string text = R"({"display_name":)";
  json::PrintString(row.display_name, text);
  text += R"(,"firmware_version":)";
  json::PrintString(row.firmware_version, text);
  text += fmt::format(
      R"(,"labels":{},"attributes":{},"groups":{},"disabled":{},"retired":{},"deleted":{}}})",
      ToJson(row.labels), ToJson(row.attributes), ToJson(row.groups), row.disabled, row.retired,
      row.deleted());
  return text;
}

}  // namespace homeport::registry
