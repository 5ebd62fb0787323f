#include "services/registry/provisioning/signer.h"

#include <utility>

#include "libs/auth/certificate_maker.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/in_transaction.h"
#include "services/registry/provisioning/filter_program.h"
#include "services/registry/store/authority_table.h"

namespace homeport::registry {
namespace {

constexpr std::string_view kPrivateAuthority = "homeport";
constexpr std::string_view kDeviceSubject = "Homeport device certificate";
constexpr int64_t kAuthorityDays = 3650;
constexpr int64_t kCommandMs = 10'000;

// What an encrypted key is tied to.
std::string LabelOf(std::string_view tenant) {
  return fmt::format("authority/{}/{}", tenant, kPrivateAuthority);
}

absl::StatusOr<AuthorityRow> MakePrivateAuthority(postgres::Connection& connection,
                                                  const auth::SealedBox& box,
                                                  const std::string& tenant, WallMs now) {
  HP_ASSIGN_OR_RETURN(
      const auth::KeyAndCertificate made,
      auth::MakeAuthority({fmt::format("Homeport {}", tenant), now, kAuthorityDays}));
  HP_ASSIGN_OR_RETURN(const auth::Certificate certificate,
                      auth::Certificate::FromPem(made.certificate_pem));
  AuthorityRow row;
  row.tenant = tenant;
  row.id = kPrivateAuthority;
  row.pem = made.certificate_pem;
  row.certificate_id = certificate.Id();
  row.subject_sha256 = certificate.SubjectSha256();
  row.sealed_key = box.Seal(made.key_pem, LabelOf(tenant));
  absl::StatusOr<AuthorityRow> created =
      postgres::InTransaction(connection, [&](postgres::Transaction& transaction) {
        return CreateAuthority(transaction, {tenant, "registry"}, row);
      });
  if (!absl::IsAlreadyExists(created.status())) return created;
  return FindAuthority(connection, tenant, kPrivateAuthority);
}

}  // namespace

absl::StatusOr<auth::Certificate> CertificateSigner::Sign(postgres::Connection& connection,
                                                          const std::string& tenant,
                                                          const std::string& csr_pem,
                                                          WallMs now) const {
  if (!options_.command.empty()) return SignElsewhere(csr_pem);
  if (options_.box) return SignHere(connection, tenant, csr_pem, now);
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_SIGNING_AUTHORITY",
                         "the registry signs no certificates: set ca-key-file or ca-sign-command");
}

absl::StatusOr<auth::Certificate> CertificateSigner::SignHere(postgres::Connection& connection,
                                                              const std::string& tenant,
                                                              const std::string& csr_pem,
                                                              WallMs now) const {
  absl::StatusOr<AuthorityRow> authority = FindAuthority(connection, tenant, kPrivateAuthority);
  if (absl::IsNotFound(authority.status())) {
    authority = MakePrivateAuthority(connection, *options_.box, tenant, now);
  }
  HP_RETURN_IF_ERROR(authority.status());
  const std::optional<std::string> key = options_.box->Open(authority->sealed_key, LabelOf(tenant));
  if (!key || authority->disabled) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_SIGNING_AUTHORITY",
                           key ? "the tenant's private authority is disabled"
                               : "ca-key-file does not open the key of the private authority");
  }
  return auth::SignCsr(csr_pem, {*key, authority->pem},
                       {std::string(kDeviceSubject), now, options_.days});
}

absl::StatusOr<auth::Certificate> CertificateSigner::SignElsewhere(
    const std::string& csr_pem) const {
  HP_ASSIGN_OR_RETURN(
      const std::string output,
      RunFilter(options_.command, std::to_string(options_.days), csr_pem, kCommandMs));
  absl::StatusOr<auth::Certificate> certificate = auth::Certificate::FromPem(output);
  if (!certificate.ok()) return absl::UnavailableError("ca-sign-command wrote no certificate");
  if (!auth::IsForCsr(*certificate, csr_pem)) {
    return absl::UnavailableError("ca-sign-command wrote the certificate of another key");
  }
  return certificate;
}

}  // namespace homeport::registry
