#include "services/registry/store/device_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/partition_table.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_DEVICE_COLUMNS                                           \
  "d.id, d.tenant, d.product, d.disabled, d.online, d.presence_ms," \
  " (extract(epoch FROM d.created_at) * 1000)::int8"

constexpr Statement kCreate{"device_create",
                            "INSERT INTO device AS d (id, tenant, product) "
                            "VALUES ($1::text, $2::text, $3::text) "
                            "ON CONFLICT DO NOTHING RETURNING " HP_DEVICE_COLUMNS ", ''::bytea"};
constexpr Statement kFind{"device_find",
                          "SELECT " HP_DEVICE_COLUMNS
                          ", c.secret_sha256 FROM device d "
                          "LEFT JOIN credential c ON c.device = d.id AND c.device = $1::text "
                          "WHERE d.id = $1::text"};
constexpr Statement kList{"device_list", "SELECT " HP_DEVICE_COLUMNS
                                         ", ''::bytea FROM device d "
                                         "WHERE d.tenant = $1::text AND d.id > $2::text "
                                         "ORDER BY d.id LIMIT $3::int8"};
constexpr Statement kUpdate{"device_update",
                            "UPDATE device d SET disabled = $3::bool "
                            "WHERE d.id = $1::text AND d.tenant = $2::text "
                            "RETURNING " HP_DEVICE_COLUMNS ", ''::bytea"};
constexpr Statement kSetSecret{"credential_set",
                               "INSERT INTO credential (device, secret_sha256) "
                               "VALUES ($1::text, $2::bytea) ON CONFLICT (device) DO UPDATE "
                               "SET secret_sha256 = excluded.secret_sha256, created_at = now()"};
constexpr Statement kDelete{"device_delete",
                            "DELETE FROM device WHERE id = $1::text AND tenant = $2::text"};
constexpr Statement kDeleteCredential{"credential_delete",
                                      "DELETE FROM credential WHERE device = $1::text"};
constexpr Statement kDeleteSessions{"device_delete_sessions",
                                    "DELETE FROM device_session WHERE device = $1::text "
                                    "RETURNING client, pod, session, epoch"};
constexpr Statement kDeleteWatches{"device_delete_watches",
                                   "DELETE FROM watch WHERE device = $1::text"};
constexpr Statement kBuryShadows{"device_bury_shadows",
                                 "UPDATE shadow SET deleted = true, version = version + 1,"
                                 " state = '', metadata = '', last_report_id = -1 "
                                 "WHERE device = $1::text AND NOT deleted"};
constexpr Statement kFindShadow{"shadow_find",
                                "SELECT version, deleted, state, metadata FROM shadow "
                                "WHERE device = $1::text AND name = $2::text"};

constexpr Statement kListNamedShadows{
    "shadow_list_named",
    "SELECT name, version FROM shadow WHERE device = $1::text AND name > $2::text AND NOT deleted "
    "ORDER BY name LIMIT $3::int8"};

#undef HP_DEVICE_COLUMNS

DeviceRow ReadRow(const Result& rows, size_t i) {
  return {.id = std::string(rows.Text(i, 0)),
          .tenant = std::string(rows.Text(i, 1)),
          .product = std::string(rows.Text(i, 2)),
          .disabled = rows.Bool(i, 3),
          .online = rows.Bool(i, 4),
          .presence_ms = rows.Int8(i, 5),
          .created_ms = rows.Int8(i, 6),
          .secret_sha256 = rows.Bytes(i, 7)};
}

absl::Status NotFound(std::string_view device) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND",
                         fmt::format("no device {}", device));
}

std::vector<StoredSession> ReadSessions(const Result& rows, const std::string& device) {
  std::vector<StoredSession> sessions;
  for (size_t i = 0; i < rows.size(); ++i) {
    sessions.push_back({.device = device,
                        .client = std::string(rows.Text(i, 0)),
                        .pod = std::string(rows.Text(i, 1)),
                        .session = static_cast<uint64_t>(rows.Int8(i, 2)),
                        .epoch = static_cast<uint64_t>(rows.Int8(i, 3)),
                        .partition = 0});
  }
  return sessions;
}

}  // namespace

absl::StatusOr<DeviceRow> CreateDevice(postgres::Connection& connection, const Actor& actor,
                                       const DeviceRow& row) {
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kCreate, Params().Text(row.id).Text(row.tenant).Text(row.product)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "DEVICE_EXISTS",
                           fmt::format("device {} exists", row.id));
  }
  HP_RETURN_IF_ERROR(
      transaction.Execute(kSetSecret, Params().Text(row.id).Bytes(row.secret_sha256)).status());
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateDevice", row.id));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ReadRow(rows, 0);
}

absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection, const DeviceId& id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, Params().Text(id.str())));
  if (rows.empty()) return NotFound(id.str());
  return ReadRow(rows, 0);
}

absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection, const TenantId& tenant,
                                     const DeviceId& id) {
  HP_ASSIGN_OR_RETURN(DeviceRow row, FindDevice(connection, id));
  if (row.tenant != tenant.str()) return NotFound(id.str());
  return row;
}

absl::StatusOr<std::vector<DeviceRow>> ListDevices(postgres::Connection& connection,
                                                   const TenantId& tenant, const std::string& after,
                                                   int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kList, Params().Text(tenant.str()).Text(after).Int8(limit)));
  std::vector<DeviceRow> devices;
  for (size_t i = 0; i < rows.size(); ++i) devices.push_back(ReadRow(rows, i));
  return devices;
}

absl::StatusOr<DeviceRow> UpdateDevice(postgres::Connection& connection, const Actor& actor,
                                       const DeviceRow& row) {
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kUpdate, Params().Text(row.id).Text(row.tenant).Bool(row.disabled)));
  if (rows.empty()) return NotFound(row.id);
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, row.disabled ? "DisableDevice" : "EnableDevice", row.id));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ReadRow(rows, 0);
}

absl::Status SetSecret(postgres::Connection& connection, const Actor& actor, const DeviceRow& row) {
  postgres::Transaction transaction(connection);
  HP_RETURN_IF_ERROR(
      transaction.Execute(kSetSecret, Params().Text(row.id).Bytes(row.secret_sha256)).status());
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "RotateSecret", row.id));
  return transaction.Commit();
}

absl::StatusOr<std::vector<StoredSession>> DeleteDevice(postgres::Connection& connection,
                                                        const Actor& actor, const DeviceRow& row,
                                                        uint32_t partition) {
  postgres::Transaction transaction(connection);
  HP_RETURN_IF_ERROR(RaiseGeneration(transaction, partition));
  HP_ASSIGN_OR_RETURN(const Result deleted,
                      transaction.Execute(kDelete, Params().Text(row.id).Text(row.tenant)));
  if (deleted.affected() == 0) return NotFound(row.id);
  HP_ASSIGN_OR_RETURN(const Result sessions,
                      transaction.Execute(kDeleteSessions, Params().Text(row.id)));
  for (const Statement* statement : {&kDeleteCredential, &kDeleteWatches, &kBuryShadows}) {
    HP_RETURN_IF_ERROR(transaction.Execute(*statement, Params().Text(row.id)).status());
  }
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "DeleteDevice", row.id));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ReadSessions(sessions, row.id);
}

absl::StatusOr<shadow::Document> FindShadow(postgres::Connection& connection,
                                            const DeviceId& device, std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFindShadow, Params().Text(device.str()).Text(name)));
  if (rows.empty()) return shadow::Document();
  return shadow::DecodeDocument({.state = rows.Text(0, 2),
                                 .metadata = rows.Text(0, 3),
                                 .version = rows.Int8(0, 0),
                                 .deleted = rows.Bool(0, 1)});
}

absl::StatusOr<std::vector<NamedShadow>> ListNamedShadows(postgres::Connection& connection,
                                                          const DeviceId& device,
                                                          std::string_view after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kListNamedShadows, Params().Text(device.str()).Text(after).Int8(limit)));
  std::vector<NamedShadow> shadows;
  for (size_t i = 0; i < rows.size(); ++i) {
    shadows.push_back({std::string(rows.Text(i, 0)), rows.Int8(i, 1)});
  }
  return shadows;
}

}  // namespace homeport::registry
