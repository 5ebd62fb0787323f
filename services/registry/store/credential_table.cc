#include "services/registry/store/credential_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/change_table.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kLockDevice{"credential_lock_device",
                                "SELECT 1 FROM device WHERE id = $1::text FOR UPDATE"};
constexpr Statement kCount{"credential_count",
                           "SELECT count(*) FROM credential WHERE device = $1::text "
                           "AND kind = $2::text AND expires_at > now()"};
constexpr Statement kDropExpired{"credential_drop_expired",
                                 "DELETE FROM credential WHERE device = $1::text "
                                 "AND expires_at < now()"};
constexpr Statement kInsert{
    "credential_insert",
    "INSERT INTO credential (device, id, kind, data, expires_at) "
    "VALUES ($1::text, $2::text, $3::text, $4::bytea, CASE WHEN $5::int8 = 0 THEN 'infinity'"
    " ELSE to_timestamp($5::int8 / 1000.0) END)"};
constexpr Statement kList{"credential_list",
                          "SELECT id, kind, data, (extract(epoch FROM created_at) * 1000)::int8,"
                          " CASE WHEN expires_at = 'infinity' THEN 0"
                          " ELSE (extract(epoch FROM expires_at) * 1000)::int8 END "
                          "FROM credential WHERE device = $1::text ORDER BY id"};
constexpr Statement kRevoke{"credential_revoke",
                            "DELETE FROM credential WHERE device = $1::text AND id = $2::text"};
constexpr Statement kRevokeKind{"credential_revoke_kind",
                                "DELETE FROM credential WHERE device = $1::text "
                                "AND kind = $2::text RETURNING id"};

DirectoryChange Revoked(std::string_view device, std::string_view id) {
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_DEVICE);
  change.set_name(std::string(device));
  change.set_credential(std::string(id));
  change.set_revoked(true);
  return change;
}

// Gateways that know the device must learn of its new credential.
absl::Status NoteNew(postgres::Transaction& transaction, std::string_view device) {
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_DEVICE);
  change.set_name(std::string(device));
  return NoteChange(transaction, change);
}

std::string ResourceOf(std::string_view device, std::string_view id) {
  return fmt::format("devices/{}/credentials/{}", device, id);
}

}  // namespace

absl::Status LockCredentials(postgres::Transaction& transaction, std::string_view device) {
  return transaction.Execute(kLockDevice, Params().Text(device)).status();
}

absl::Status TooManyCredentials() {
  return ErrorWithReason(
      absl::StatusCode::kResourceExhausted, "CREDENTIALS_MAX",
      fmt::format("the device has {} credentials of this kind: revoke one", kCredentialsMax));
}

absl::Status InsertCredential(postgres::Transaction& transaction, const CredentialRow& row) {
  return transaction
      .Execute(kInsert, Params()
                            .Text(row.device)
                            .Text(row.id)
                            .Text(row.kind)
                            .Bytes(row.data)
                            .Int8(row.expires_ms))
      .status();
}

absl::Status AddCredential(postgres::Transaction& transaction, const Actor& actor,
                           const CredentialRow& row) {
  const Params device = Params().Text(row.device);
  HP_RETURN_IF_ERROR(LockCredentials(transaction, row.device));
  HP_RETURN_IF_ERROR(transaction.Execute(kDropExpired, device).status());
  HP_ASSIGN_OR_RETURN(const Result count,
                      transaction.Execute(kCount, Params().Text(row.device).Text(row.kind)));
  if (count.Int8(0, 0) >= static_cast<int64_t>(kCredentialsMax)) {
    return TooManyCredentials();
  }
  HP_RETURN_IF_ERROR(InsertCredential(transaction, row));
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateCredential", ResourceOf(row.device, row.id)));
  return NoteNew(transaction, row.device);
}

absl::StatusOr<std::vector<CredentialRow>> ListCredentials(postgres::Connection& connection,
                                                           std::string_view device) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kList, Params().Text(device)));
  std::vector<CredentialRow> credentials;
  for (size_t i = 0; i < rows.size(); ++i) {
    credentials.push_back({.device = std::string(device),
                           .id = std::string(rows.Text(i, 0)),
                           .kind = std::string(rows.Text(i, 1)),
                           .data = rows.Bytes(i, 2),
                           .created_ms = rows.Int8(i, 3),
                           .expires_ms = rows.Int8(i, 4)});
  }
  return credentials;
}

absl::Status RevokeCredential(postgres::Transaction& transaction, const Actor& actor,
                              std::string_view device, std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result deleted,
                      transaction.Execute(kRevoke, Params().Text(device).Text(id)));
  if (deleted.affected() == 0) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "CREDENTIAL_NOT_FOUND",
                           fmt::format("no credential {} of that device", id));
  }
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "RevokeCredential", ResourceOf(device, id)));
  return NoteChange(transaction, Revoked(device, id));
}

absl::Status ReplaceSecrets(postgres::Transaction& transaction, const CredentialRow& row) {
  HP_RETURN_IF_ERROR(LockCredentials(transaction, row.device));
  HP_ASSIGN_OR_RETURN(const Result former,
                      transaction.Execute(kRevokeKind, Params().Text(row.device).Text(row.kind)));
  HP_RETURN_IF_ERROR(InsertCredential(transaction, row));
  for (size_t i = 0; i < former.size(); ++i) {
    HP_RETURN_IF_ERROR(NoteChange(transaction, Revoked(row.device, former.Text(i, 0))));
  }
  return former.empty() ? NoteNew(transaction, row.device) : absl::OkStatus();
}

}  // namespace homeport::registry
