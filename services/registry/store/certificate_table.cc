#include "services/registry/store/certificate_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/credential_table.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;
using State = CertificateRow::State;

#define HP_CERTIFICATE_COLUMNS                                                              \
  "id, tenant, device, template, authority, serial, link_serial, pem, token_sha256, state," \
  " (extract(epoch FROM not_before) * 1000)::int8,"                                         \
  " (extract(epoch FROM not_after) * 1000)::int8,"                                          \
  " CASE WHEN pending_until = 'infinity' THEN 0"                                            \
  " ELSE (extract(epoch FROM pending_until) * 1000)::int8 END,"                             \
  " (extract(epoch FROM created_at) * 1000)::int8"

constexpr Statement kFind{"certificate_find",
                          "SELECT " HP_CERTIFICATE_COLUMNS " FROM certificate WHERE id = $1::text"};
constexpr Statement kLock{"certificate_lock", "SELECT " HP_CERTIFICATE_COLUMNS
                                              " FROM certificate WHERE id = $1::text FOR UPDATE"};
constexpr Statement kInsert{
    "certificate_insert",
    "INSERT INTO certificate (id, tenant, device, template, authority, serial, link_serial, pem,"
    " token_sha256, state, not_before, not_after, pending_until) "
    "VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text,"
    " $9::bytea, $10::text, to_timestamp($11::int8 / 1000.0), to_timestamp($12::int8 / 1000.0),"
    " CASE WHEN $13::int8 = 0 THEN 'infinity' ELSE to_timestamp($13::int8 / 1000.0) END) "
    "ON CONFLICT DO NOTHING"};
constexpr Statement kList{"certificate_list",
                          "SELECT " HP_CERTIFICATE_COLUMNS
                          " FROM certificate WHERE device = $1::text AND device <> ''"
                          " AND id > $2::text ORDER BY id LIMIT $3::int8"};
constexpr Statement kListClaims{"certificate_claims",
                                "SELECT " HP_CERTIFICATE_COLUMNS
                                " FROM certificate WHERE tenant = $1::text AND template <> ''"
                                " AND id > $2::text ORDER BY id LIMIT $3::int8"};
constexpr Statement kActive{"certificate_active",
                            "SELECT id FROM certificate WHERE device = $1::text AND device <> ''"
                            " AND state = 'active' AND not_after > now()"
                            " ORDER BY created_at DESC, id"};
constexpr Statement kSetLink{"certificate_set_link",
                             "UPDATE certificate SET link_serial = $2::text WHERE id = $1::text"};
constexpr Statement kActivate{
    "certificate_activate",
    "UPDATE certificate SET state = 'active', device = $2::text, pending_until = 'infinity' "
    "WHERE id = $1::text"};
constexpr Statement kRevoke{"certificate_revoke",
                            "UPDATE certificate SET state = 'revoked' WHERE id = $1::text"};
constexpr Statement kDropPending{
    "certificate_drop_pending",
    "DELETE FROM certificate WHERE state = 'pending' AND pending_until < now()"};

#undef HP_CERTIFICATE_COLUMNS

std::string_view ToText(State state) {
  switch (state) {
    case State::kPending:
      return "pending";
    case State::kActive:
      return "active";
    case State::kRevoked:
      break;
  }
  return "revoked";
}

State ToState(std::string_view text) {
  if (text == "pending") return State::kPending;
  return text == "active" ? State::kActive : State::kRevoked;
}

CertificateRow ReadRow(const Result& rows, size_t i) {
  return {.id = std::string(rows.Text(i, 0)),
          .tenant = std::string(rows.Text(i, 1)),
          .device = std::string(rows.Text(i, 2)),
          .template_name = std::string(rows.Text(i, 3)),
          .authority = std::string(rows.Text(i, 4)),
          .serial = std::string(rows.Text(i, 5)),
          .link_serial = std::string(rows.Text(i, 6)),
          .pem = std::string(rows.Text(i, 7)),
          .token_sha256 = rows.Bytes(i, 8),
          .state = ToState(rows.Text(i, 9)),
          .not_before_ms = rows.Int8(i, 10),
          .not_after_ms = rows.Int8(i, 11),
          .pending_until_ms = rows.Int8(i, 12),
          .created_ms = rows.Int8(i, 13)};
}

std::vector<CertificateRow> ReadRows(const Result& rows) {
  std::vector<CertificateRow> found;
  for (size_t i = 0; i < rows.size(); ++i) found.push_back(ReadRow(rows, i));
  return found;
}

std::optional<CertificateRow> FirstOf(const Result& rows) {
  return rows.empty() ? std::nullopt : std::optional(ReadRow(rows, 0));
}

}  // namespace

CertificateRow RowOf(const auth::Certificate& certificate, std::string_view tenant) {
  CertificateRow row;
  row.id = certificate.Id();
  row.tenant = tenant;
  row.serial = certificate.Serial();
  row.pem = certificate.ToPem();
  row.not_before_ms = certificate.not_before_s() * 1000;
  row.not_after_ms = certificate.not_after_s() * 1000;
  return row;
}

absl::StatusOr<std::optional<CertificateRow>> FindCertificate(postgres::Connection& connection,
                                                              std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, Params().Text(id)));
  return FirstOf(rows);
}

absl::StatusOr<std::optional<CertificateRow>> LockCertificate(postgres::Transaction& transaction,
                                                              std::string_view id) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kLock, Params().Text(id)));
  return FirstOf(rows);
}

absl::Status InsertCertificate(postgres::Transaction& transaction, const CertificateRow& row) {
  HP_ASSIGN_OR_RETURN(const Result inserted,
                      transaction.Execute(kInsert, Params()
                                                       .Text(row.id)
                                                       .Text(row.tenant)
                                                       .Text(row.device)
                                                       .Text(row.template_name)
                                                       .Text(row.authority)
                                                       .Text(row.serial)
                                                       .Text(row.link_serial)
                                                       .Text(row.pem)
                                                       .Bytes(row.token_sha256)
                                                       .Text(ToText(row.state))
                                                       .Int8(row.not_before_ms)
                                                       .Int8(row.not_after_ms)
                                                       .Int8(row.pending_until_ms)));
  if (inserted.affected() > 0) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kAlreadyExists, "CERTIFICATE_EXISTS",
                         "the certificate is registered already");
}

absl::Status CreateCertificate(postgres::Transaction& transaction, const Actor& actor,
                               const CertificateRow& row) {
  if (!row.device.empty()) {
    HP_RETURN_IF_ERROR(LockCredentials(transaction, row.device));
    HP_ASSIGN_OR_RETURN(const std::vector<std::string> active,
                        ActiveCertificates(transaction, row.device));
    if (active.size() >= kCredentialsMax) return TooManyCredentials();
  }
  HP_RETURN_IF_ERROR(InsertCertificate(transaction, row));
  HP_RETURN_IF_ERROR(Audit(transaction, actor,
                           row.template_name.empty() ? "CreateCertificate" : "CreateClaim",
                           "certificates/" + row.id));
  // Gateways may remember it as unknown.
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_CERTIFICATE);
  change.set_name(row.id);
  return NoteChange(transaction, change);
}

absl::StatusOr<std::vector<CertificateRow>> ListCertificates(postgres::Connection& connection,
                                                             std::string_view device,
                                                             std::string_view after,
                                                             int64_t limit) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kList, Params().Text(device).Text(after).Int8(limit)));
  return ReadRows(rows);
}

absl::StatusOr<std::vector<CertificateRow>> ListClaims(postgres::Connection& connection,
                                                       std::string_view tenant,
                                                       std::string_view after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kListClaims, Params().Text(tenant).Text(after).Int8(limit)));
  return ReadRows(rows);
}

absl::StatusOr<std::vector<std::string>> ActiveCertificates(postgres::Transaction& transaction,
                                                            std::string_view device) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kActive, Params().Text(device)));
  std::vector<std::string> ids;
  for (size_t i = 0; i < rows.size(); ++i) ids.emplace_back(rows.Text(i, 0));
  return ids;
}

absl::Status SetLinkSerial(postgres::Connection& connection, std::string_view id,
                           std::string_view link_serial) {
  return connection.Execute(kSetLink, Params().Text(id).Text(link_serial)).status();
}

absl::Status ActivateCertificate(postgres::Transaction& transaction, std::string_view id,
                                 std::string_view device) {
  return transaction.Execute(kActivate, Params().Text(id).Text(device)).status();
}

absl::Status RevokeCertificate(postgres::Transaction& transaction, const Actor& actor,
                               std::string_view id) {
  HP_RETURN_IF_ERROR(transaction.Execute(kRevoke, Params().Text(id)).status());
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, "RevokeCertificate", fmt::format("certificates/{}", id)));
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_CERTIFICATE);
  change.set_name(std::string(id));
  change.set_revoked(true);
  return NoteChange(transaction, change);
}

absl::StatusOr<size_t> DropPendingCertificates(postgres::Connection& connection) {
  HP_ASSIGN_OR_RETURN(const Result dropped, connection.Execute(kDropPending));
  return dropped.affected();
}

}  // namespace homeport::registry
