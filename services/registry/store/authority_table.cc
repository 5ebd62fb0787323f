#include "services/registry/store/authority_table.h"

#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/change_table.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_AUTHORITY_COLUMNS                                                        \
  "tenant, id, pem, certificate_id, subject_sha256, sealed_key, product, disabled," \
  " (extract(epoch FROM created_at) * 1000)::int8"

constexpr Statement kTenant{"authority_tenant",
                            "INSERT INTO tenant (id) VALUES ($1::text) ON CONFLICT DO NOTHING"};
constexpr Statement kCreate{
    "authority_create",
    "INSERT INTO authority (tenant, id, pem, certificate_id, subject_sha256, sealed_key, product) "
    "VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea, $6::bytea, $7::text) "
    "ON CONFLICT DO NOTHING RETURNING " HP_AUTHORITY_COLUMNS};
constexpr Statement kFind{"authority_find",
                          "SELECT " HP_AUTHORITY_COLUMNS
                          " FROM authority WHERE tenant = $1::text AND id = $2::text"};
constexpr Statement kLock{"authority_lock",
                          "SELECT " HP_AUTHORITY_COLUMNS
                          " FROM authority WHERE tenant = $1::text AND id = $2::text FOR UPDATE"};
constexpr Statement kList{"authority_list",
                          "SELECT " HP_AUTHORITY_COLUMNS
                          " FROM authority WHERE tenant = $1::text AND id > $2::text "
                          "ORDER BY id LIMIT $3::int8"};
constexpr Statement kCount{"authority_count",
                           "SELECT count(*) FROM authority WHERE tenant = $1::text"};
constexpr Statement kBySubject{"authority_by_subject",
                               "SELECT " HP_AUTHORITY_COLUMNS
                               " FROM authority WHERE subject_sha256 = ANY($1::bytea[]) LIMIT 10"};
constexpr Statement kUpdate{"authority_update",
                            "UPDATE authority SET disabled = $3::bool, product = $4::text "
                            "WHERE tenant = $1::text AND id = $2::text "
                            "RETURNING " HP_AUTHORITY_COLUMNS};
constexpr Statement kStopRegistering{"authority_stop_registering",
                                     "UPDATE authority SET product = '' WHERE tenant = $1::text "
                                     "AND product = $2::text AND product <> '' RETURNING id"};
constexpr Statement kDelete{"authority_delete",
                            "DELETE FROM authority WHERE tenant = $1::text AND id = $2::text"};
constexpr Statement kRevokeAll{
    "authority_revoke_all",
    "UPDATE certificate SET state = 'revoked' "
    "WHERE tenant = $1::text AND authority = $2::text AND authority <> '' AND state <> 'revoked'"};
constexpr Statement kForgetSerials{
    "authority_forget_serials",
    "DELETE FROM revoked_serial WHERE tenant = $1::text AND authority = $2::text"};
constexpr Statement kAddSerials{
    "authority_add_serials",
    "INSERT INTO revoked_serial (tenant, authority, serial) "
    "SELECT $1::text, $2::text, u.serial FROM unnest($3::text[]) AS u (serial) "
    "ON CONFLICT DO NOTHING"};
constexpr Statement kRevokeSerials{
    "authority_revoke_serials",
    "UPDATE certificate SET state = 'revoked' "
    "WHERE tenant = $1::text AND authority = $2::text AND authority <> '' AND state <> 'revoked'"
    " AND CASE WHEN link_serial = '' THEN serial ELSE link_serial END = ANY($3::text[])"
    " RETURNING id"};
constexpr Statement kIsRevoked{"authority_is_revoked",
                               "SELECT 1 FROM revoked_serial WHERE tenant = $1::text "
                               "AND authority = $2::text AND serial = $3::text"};

#undef HP_AUTHORITY_COLUMNS

AuthorityRow ReadRow(const Result& rows, size_t i) {
  return {.tenant = std::string(rows.Text(i, 0)),
          .id = std::string(rows.Text(i, 1)),
          .pem = std::string(rows.Text(i, 2)),
          .certificate_id = std::string(rows.Text(i, 3)),
          .subject_sha256 = rows.Bytes(i, 4),
          .sealed_key = rows.Bytes(i, 5),
          .product = std::string(rows.Text(i, 6)),
          .disabled = rows.Bool(i, 7),
          .created_ms = rows.Int8(i, 8)};
}

std::vector<AuthorityRow> ReadRows(const Result& rows) {
  std::vector<AuthorityRow> found;
  for (size_t i = 0; i < rows.size(); ++i) found.push_back(ReadRow(rows, i));
  return found;
}

absl::Status NotFound(std::string_view id) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "AUTHORITY_NOT_FOUND",
                         fmt::format("no authority {}", id));
}

std::string ResourceOf(std::string_view tenant, std::string_view id) {
  return fmt::format("{}/{}", tenant, id);
}

absl::Status NoteAuthority(postgres::Transaction& transaction, const std::string& name,
                           bool revoked) {
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_AUTHORITY);
  change.set_name(name);
  change.set_revoked(revoked);
  return NoteChange(transaction, change);
}

Params KeyOf(std::string_view tenant, std::string_view id) {
  Params params;
  params.Text(tenant).Text(id);
  return params;
}

}  // namespace

absl::StatusOr<AuthorityRow> CreateAuthority(postgres::Transaction& transaction, const Actor& actor,
                                             const AuthorityRow& row) {
  HP_RETURN_IF_ERROR(transaction.Execute(kTenant, Params().Text(row.tenant)).status());
  HP_ASSIGN_OR_RETURN(const Result count, transaction.Execute(kCount, Params().Text(row.tenant)));
  if (count.Int8(0, 0) >= kAuthoritiesMax) {
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "AUTHORITIES_MAX",
        fmt::format("the tenant has {} authorities: delete one", kAuthoritiesMax));
  }
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kCreate, Params()
                                                                          .Text(row.tenant)
                                                                          .Text(row.id)
                                                                          .Text(row.pem)
                                                                          .Text(row.certificate_id)
                                                                          .Bytes(row.subject_sha256)
                                                                          .Bytes(row.sealed_key)
                                                                          .Text(row.product)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "AUTHORITY_EXISTS",
                           "an authority with that id or that certificate is registered");
  }
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateAuthority", "authorities/" + row.id));
  // Gateways may remember its certificates as unknown.
  HP_RETURN_IF_ERROR(NoteAuthority(transaction, "", false));
  return ReadRow(rows, 0);
}

absl::StatusOr<AuthorityRow> FindAuthority(postgres::Connection& connection,
                                           std::string_view tenant, std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, KeyOf(tenant, id)));
  if (rows.empty()) return NotFound(id);
  return ReadRow(rows, 0);
}

absl::StatusOr<AuthorityRow> LockAuthority(postgres::Transaction& transaction,
                                           std::string_view tenant, std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kLock, KeyOf(tenant, id)));
  if (rows.empty()) return NotFound(id);
  return ReadRow(rows, 0);
}

absl::StatusOr<std::vector<AuthorityRow>> ListAuthorities(postgres::Connection& connection,
                                                          std::string_view tenant,
                                                          std::string_view after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kList, Params().Text(tenant).Text(after).Int8(limit)));
  return ReadRows(rows);
}

absl::StatusOr<std::vector<AuthorityRow>> FindAuthoritiesBySubject(
    postgres::Connection& connection, const std::vector<std::string>& subjects_sha256) {
  Array subjects = Array::OfBytes();
  for (const std::string& subject : subjects_sha256) subjects.Add(subject);
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kBySubject, Params().Add(std::move(subjects))));
  return ReadRows(rows);
}

absl::StatusOr<AuthorityRow> UpdateAuthority(postgres::Transaction& transaction, const Actor& actor,
                                             const AuthorityRow& row) {
  Params params = KeyOf(row.tenant, row.id);
  params.Bool(row.disabled).Text(row.product);
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kUpdate, params));
  if (rows.empty()) return NotFound(row.id);
  const std::string name = ResourceOf(row.tenant, row.id);
  HP_RETURN_IF_ERROR(Audit(transaction, actor,
                           row.disabled ? "DisableAuthority" : "UpdateAuthority",
                           "authorities/" + row.id));
  HP_RETURN_IF_ERROR(NoteAuthority(transaction, name, row.disabled));
  return ReadRow(rows, 0);
}

absl::Status StopRegistering(postgres::Transaction& transaction, const Actor& actor,
                             std::string_view tenant, std::string_view product) {
  HP_ASSIGN_OR_RETURN(const Result changed,
                      transaction.Execute(kStopRegistering, KeyOf(tenant, product)));
  for (size_t i = 0; i < changed.size(); ++i) {
    HP_RETURN_IF_ERROR(Audit(transaction, actor, "UpdateAuthority",
                             fmt::format("authorities/{}", changed.Text(i, 0))));
    HP_RETURN_IF_ERROR(NoteAuthority(transaction, ResourceOf(tenant, changed.Text(i, 0)), false));
  }
  return absl::OkStatus();
}

absl::Status DeleteAuthority(postgres::Transaction& transaction, const Actor& actor,
                             std::string_view tenant, std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result deleted, transaction.Execute(kDelete, KeyOf(tenant, id)));
  if (deleted.affected() == 0) return NotFound(id);
  HP_RETURN_IF_ERROR(transaction.Execute(kRevokeAll, KeyOf(tenant, id)).status());
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, "DeleteAuthority", fmt::format("authorities/{}", id)));
  return NoteAuthority(transaction, ResourceOf(tenant, id), true);
}

absl::Status SetRevokedSerials(postgres::Transaction& transaction, const Actor& actor,
                               const AuthorityRow& authority,
                               const std::vector<std::string>& serials) {
  Array list = Array::OfText(), again = Array::OfText();
  for (const std::string& serial : serials) {
    list.Add(serial);
    again.Add(serial);
  }
  const Params key = KeyOf(authority.tenant, authority.id);
  HP_RETURN_IF_ERROR(transaction.Execute(kForgetSerials, key).status());
  HP_RETURN_IF_ERROR(transaction.Execute(kAddSerials, Params(key).Add(std::move(list))).status());
  HP_ASSIGN_OR_RETURN(const Result revoked,
                      transaction.Execute(kRevokeSerials, Params(key).Add(std::move(again))));
  const std::string name = ResourceOf(authority.tenant, authority.id);
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, "ImportRevocationList", "authorities/" + authority.id));
  HP_RETURN_IF_ERROR(NoteAuthority(transaction, name, false));
  std::vector<std::string_view> ids;
  for (size_t i = 0; i < revoked.size(); ++i) ids.push_back(revoked.Text(i, 0));
  return NoteRevokedCertificates(transaction, ids);
}

absl::StatusOr<bool> IsSerialRevoked(postgres::Connection& connection,
                                     const AuthorityRow& authority, std::string_view serial) {
  Params params = KeyOf(authority.tenant, authority.id);
  params.Text(serial);
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kIsRevoked, params));
  return !rows.empty();
}

}  // namespace homeport::registry
