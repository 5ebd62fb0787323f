#include "services/registry/api/credential_service.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "libs/auth/certificate.h"
#include "libs/auth/public_key.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/in_transaction.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/field_mask.h"
#include "services/registry/api/mutation.h"
#include "services/registry/api/page.h"
#include "services/registry/store/authority_table.h"
#include "services/registry/store/certificate_table.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/secrets.h"

namespace homeport::registry {
namespace {

using credential::v1::Authority;
using credential::v1::Credential;

const std::initializer_list<std::string_view> kScopes = {"operator"};
constexpr std::string_view kCredentials = "credentials";
constexpr std::string_view kAuthorities = "authorities";

absl::Status Invalid(std::string_view reason, std::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, reason, what);
}

absl::StatusOr<DeviceRow> FindOwnDevice(postgres::Connection& connection,
                                        const auth::Claims& claims, const std::string& name) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName parsed, rpc::ParseDeviceName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return FindDevice(connection, parsed.tenant, parsed.device);
}

absl::StatusOr<rpc::TenantChildName> ReadAuthorityName(const auth::Claims& claims,
                                                       const std::string& name) {
  HP_ASSIGN_OR_RETURN(rpc::TenantChildName parsed,
                      rpc::ParseTenantChildName(name, kAuthorities, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return parsed;
}

// Unix ms; 0: never.
absl::StatusOr<int64_t> ReadExpiry(const Credential& credential, WallMs now) {
  if (!credential.has_expire_time()) return 0;
  constexpr int64_t kYear9999S = 253'402'300'799;
  const int64_t expires_ms =
      std::clamp<int64_t>(credential.expire_time().seconds(), 0, kYear9999S) * 1000;
  if (expires_ms > now.value) return expires_ms;
  return FieldInvalid("credential.expire_time", "is past");
}

std::string NameOf(const DeviceRow& device, std::string_view id) {
  return fmt::format("{}/{}/{}", rpc::FormatDeviceName(device.tenant, device.id), kCredentials, id);
}

void Fill(const CredentialRow& row, const DeviceRow& device, WallMs now, Credential& out) {
  out.set_name(NameOf(device, row.id));
  const bool is_key = row.kind == kPublicKeyKind;
  out.set_kind(is_key ? Credential::KIND_PUBLIC_KEY : Credential::KIND_SECRET);
  if (is_key) {
    const auto key = auth::PublicKey::FromDer(row.data);
    if (key.ok()) out.set_pem(key->ToPem());
  }
  const bool expired = row.expires_ms != 0 && row.expires_ms <= now.value;
  out.set_state(expired ? Credential::STATE_EXPIRED : Credential::STATE_ACTIVE);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  if (row.expires_ms != 0) *out.mutable_expire_time() = ToTimestamp(row.expires_ms);
}

void Fill(const CertificateRow& row, const DeviceRow& device, WallMs now, Credential& out) {
  out.set_name(NameOf(device, row.id));
  out.set_kind(Credential::KIND_CERTIFICATE);
  out.set_pem(row.pem);
  out.set_state(row.state != CertificateRow::State::kActive ? Credential::STATE_REVOKED
                : row.not_after_ms <= now.value             ? Credential::STATE_EXPIRED
                                                            : Credential::STATE_ACTIVE);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  *out.mutable_expire_time() = ToTimestamp(row.not_after_ms);
}

std::string EtagOf(const AuthorityRow& row) {
  return registry::EtagOf({row.certificate_id, row.product, row.disabled ? "disabled" : ""});
}

absl::Status Fill(const AuthorityRow& row, Authority& out) {
  HP_ASSIGN_OR_RETURN(const auth::Certificate certificate, auth::Certificate::FromPem(row.pem));
  out.set_name(rpc::FormatTenantChildName(row.tenant, kAuthorities, row.id));
  out.set_pem(row.pem);
  out.set_disabled(row.disabled);
  if (!row.product.empty()) {
    out.set_registration_product(rpc::FormatProductName(row.tenant, row.product));
  }
  out.set_signs(!row.sealed_key.empty());
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  *out.mutable_expire_time() = ToTimestamp(certificate.not_after_s() * 1000);
  out.set_etag(EtagOf(row));
  return absl::OkStatus();
}

constexpr UpdateField<Authority, AuthorityRow> kFields[] = {
    {"disabled", [](const Authority& wanted) { return wanted.disabled(); },
     [](const Authority& wanted, AuthorityRow& row) { row.disabled = wanted.disabled(); }},
    {"registration_product",
     [](const Authority& wanted) { return !wanted.registration_product().empty(); },
     [](const Authority& wanted, AuthorityRow& row) {
       const std::string& name = wanted.registration_product();
       row.product = name.substr(name.rfind('/') + 1);
     }},
};

// Whether the product that an authority names, if it does, is one of the tenant's.
absl::Status CheckProductOf(postgres::Connection& connection, const auth::Claims& claims,
                            const TenantId& tenant, const Authority& wanted) {
  if (wanted.registration_product().empty()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                      rpc::ParseProductName(wanted.registration_product(), claims.tenant));
  return FindProduct(connection, tenant, product.product).status();
}

absl::StatusOr<auth::Certificate> ReadCertificate(std::string_view field, const std::string& pem) {
  absl::StatusOr<auth::Certificate> certificate = auth::Certificate::FromPem(pem);
  if (certificate.ok()) return certificate;
  return Invalid("CERTIFICATE_INVALID",
                 fmt::format("{}: {}", field, Message(certificate.status())));
}

absl::StatusOr<CredentialRow> RowFor(const std::string& device, const Credential& wanted,
                                     std::string* secret) {
  if (wanted.kind() == Credential::KIND_SECRET) {
    *secret = MakeSecret();
    return SecretRow(device, *secret);
  }
  const absl::StatusOr<auth::PublicKey> key = auth::PublicKey::FromPem(wanted.pem());
  if (!key.ok()) return Invalid("KEY_INVALID", Message(key.status()));
  CredentialRow row;
  row.device = device;
  row.id = MakeCredentialId("key");
  row.kind = kPublicKeyKind;
  row.data = key->ToDer();
  return row;
}

absl::StatusOr<CertificateRow> CertificateRowFor(const DeviceRow& device, const Credential& wanted,
                                                 WallMs now) {
  HP_ASSIGN_OR_RETURN(const auth::Certificate certificate,
                      ReadCertificate("credential.pem", wanted.pem()));
  CertificateRow row = RowOf(certificate, device.tenant);
  row.device = device.id;
  row.created_ms = now.value;
  return row;
}

}  // namespace

grpc::Status CredentialService::CreateCredential(
    grpc::ServerContext* context, const credential::v1::CreateCredentialRequest* request,
    credential::v1::CreateCredentialResponse* response) {
  return Serve(parts_, "CreateCredential", *context, kScopes,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status CredentialService::Create(const auth::Claims& claims,
                                       const credential::v1::CreateCredentialRequest& request,
                                       credential::v1::CreateCredentialResponse& response) {
  const Credential& wanted = request.credential();
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const DeviceRow device, FindOwnDevice(*connection, claims, request.parent()));
  const WallMs now = clock_.Wall();
  HP_ASSIGN_OR_RETURN(const int64_t expires_ms, ReadExpiry(wanted, now));
  if (wanted.kind() == Credential::KIND_UNSPECIFIED) {
    return FieldInvalid("credential.kind", "is required");
  }
  const auto create = [&](postgres::Transaction& transaction,
                          credential::v1::CreateCredentialResponse& created) -> absl::Status {
    if (wanted.kind() == Credential::KIND_CERTIFICATE) {
      HP_ASSIGN_OR_RETURN(CertificateRow row, CertificateRowFor(device, wanted, now));
      if (expires_ms != 0) row.not_after_ms = std::min(row.not_after_ms, expires_ms);
      HP_RETURN_IF_ERROR(CreateCertificate(transaction, ActorOf(claims), row));
      Fill(row, device, now, *created.mutable_credential());
      return absl::OkStatus();
    }
    HP_ASSIGN_OR_RETURN(CredentialRow row, RowFor(device.id, wanted, created.mutable_secret()));
    row.expires_ms = expires_ms;
    row.created_ms = now.value;
    HP_RETURN_IF_ERROR(AddCredential(transaction, ActorOf(claims), row));
    Fill(row, device, now, *created.mutable_credential());
    return absl::OkStatus();
  };
  return Change(*connection, ActorOf(claims), "CreateCredential", request, response, create);
}

grpc::Status CredentialService::ListCredentials(
    grpc::ServerContext* context, const credential::v1::ListCredentialsRequest* request,
    credential::v1::ListCredentialsResponse* response) {
  return Serve(parts_, "ListCredentials", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status CredentialService::List(const auth::Claims& claims,
                                     const credential::v1::ListCredentialsRequest& request,
                                     credential::v1::ListCredentialsResponse& response) {
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const DeviceRow device, FindOwnDevice(*connection, claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const std::vector<CredentialRow> credentials,
                      registry::ListCredentials(*connection, device.id));
  HP_ASSIGN_OR_RETURN(const std::vector<CertificateRow> certificates,
                      ListCertificates(*connection, device.id, page.after(), page.size + 1));
  const WallMs now = clock_.Wall();
  std::map<std::string, Credential> by_id;
  for (const CredentialRow& row : credentials) {
    if (row.id > page.after()) Fill(row, device, now, by_id[row.id]);
  }
  for (const CertificateRow& row : certificates) Fill(row, device, now, by_id[row.id]);
  const std::vector<std::pair<std::string, Credential>> rows(by_id.begin(), by_id.end());
  FillPage(
      page, rows, response, [&](const auto& row) { *response.add_credentials() = row.second; },
      [](const auto& row) { return std::vector{row.first}; });
  return absl::OkStatus();
}

grpc::Status CredentialService::RevokeCredential(
    grpc::ServerContext* context, const credential::v1::RevokeCredentialRequest* request,
    credential::v1::RevokeCredentialResponse* response) {
  return Serve(parts_, "RevokeCredential", *context, kScopes,
               [&](const auth::Claims& claims) { return Revoke(claims, *request, *response); });
}

absl::Status CredentialService::Revoke(const auth::Claims& claims,
                                       const credential::v1::RevokeCredentialRequest& request,
                                       credential::v1::RevokeCredentialResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceChildName name,
                      rpc::ParseDeviceChildName(request.name(), kCredentials, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, name.tenant.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(FindDevice(*connection, name.tenant, name.device).status());
  const auto revoke = [&](postgres::Transaction& transaction,
                          credential::v1::RevokeCredentialResponse&) -> absl::Status {
    const absl::Status revoked =
        registry::RevokeCredential(transaction, ActorOf(claims), name.device.str(), name.id);
    if (!absl::IsNotFound(revoked)) return revoked;
    HP_ASSIGN_OR_RETURN(const std::optional<CertificateRow> row,
                        LockCertificate(transaction, name.id));
    if (!row || row->device != name.device.str()) return revoked;
    return RevokeCertificate(transaction, ActorOf(claims), name.id);
  };
  return Change(*connection, ActorOf(claims), "RevokeCredential", request, response, revoke);
}

grpc::Status CredentialService::CreateAuthority(
    grpc::ServerContext* context, const credential::v1::CreateAuthorityRequest* request,
    credential::v1::Authority* response) {
  return Serve(parts_, "CreateAuthority", *context, kScopes,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status CredentialService::Create(const auth::Claims& claims,
                                       const credential::v1::CreateAuthorityRequest& request,
                                       credential::v1::Authority& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  if (!IsValidTenantId(request.authority_id())) {
    return FieldInvalid("authority_id", "1-63 of [a-z0-9-]");
  }
  HP_ASSIGN_OR_RETURN(const auth::Certificate authority,
                      ReadCertificate("authority.pem", request.authority().pem()));
  if (!authority.is_authority()) {
    return Invalid("CERTIFICATE_INVALID", "authority.pem: is not a certificate authority's");
  }
  HP_ASSIGN_OR_RETURN(const auth::Certificate proof,
                      ReadCertificate("verification_pem", request.verification_pem()));
  const absl::Status proven = proof.VerifyBy(authority, {}, clock_.Wall()).status();
  if (!proven.ok() || proof.Subject()["CommonName"] != tenant.str()) {
    return Invalid("CERTIFICATE_INVALID",
                   fmt::format("verification_pem: must be signed by the authority, with the "
                               "common name {} ({})",
                               tenant.str(), Message(proven)));
  }
  AuthorityRow row;
  row.tenant = tenant.str();
  row.id = request.authority_id();
  row.pem = authority.ToPem();
  row.certificate_id = authority.Id();
  row.subject_sha256 = authority.SubjectSha256();
  CopyFields(request.authority(), kFields, row);
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(CheckProductOf(*connection, claims, tenant, request.authority()));
  const auto create = [&](postgres::Transaction& transaction, Authority& created) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const AuthorityRow made,
                        registry::CreateAuthority(transaction, ActorOf(claims), row));
    return Fill(made, created);
  };
  return Change(*connection, ActorOf(claims), "CreateAuthority", request, response, create);
}

grpc::Status CredentialService::ListAuthorities(
    grpc::ServerContext* context, const credential::v1::ListAuthoritiesRequest* request,
    credential::v1::ListAuthoritiesResponse* response) {
  return Serve(parts_, "ListAuthorities", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status CredentialService::List(const auth::Claims& claims,
                                     const credential::v1::ListAuthoritiesRequest& request,
                                     credential::v1::ListAuthoritiesResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(
      const std::vector<AuthorityRow> rows,
      registry::ListAuthorities(*connection, tenant.str(), page.after(), page.size + 1));
  absl::Status filled;
  FillPage(
      page, rows, response,
      [&](const AuthorityRow& row) { filled.Update(Fill(row, *response.add_authorities())); },
      [](const AuthorityRow& row) { return std::vector{row.id}; });
  return filled;
}

grpc::Status CredentialService::UpdateAuthority(
    grpc::ServerContext* context, const credential::v1::UpdateAuthorityRequest* request,
    Authority* response) {
  return Serve(parts_, "UpdateAuthority", *context, kScopes,
               [&](const auth::Claims& claims) { return Update(claims, *request, *response); });
}

absl::Status CredentialService::Update(const auth::Claims& claims,
                                       const credential::v1::UpdateAuthorityRequest& request,
                                       Authority& response) {
  const Authority& wanted = request.authority();
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name, ReadAuthorityName(claims, wanted.name()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(CheckProductOf(*connection, claims, name.tenant, wanted));
  const auto update = [&](postgres::Transaction& transaction, Authority& updated) -> absl::Status {
    HP_ASSIGN_OR_RETURN(AuthorityRow row, LockAuthority(transaction, name.tenant.str(), name.id));
    HP_RETURN_IF_ERROR(CheckEtag(wanted.etag(), EtagOf(row)));
    HP_RETURN_IF_ERROR(MergeFields(wanted, request.update_mask(), kFields, row));
    HP_ASSIGN_OR_RETURN(row, registry::UpdateAuthority(transaction, ActorOf(claims), row));
    return Fill(row, updated);
  };
  return Change(*connection, ActorOf(claims), "UpdateAuthority", request, response, update);
}

grpc::Status CredentialService::DeleteAuthority(
    grpc::ServerContext* context, const credential::v1::DeleteAuthorityRequest* request,
    credential::v1::DeleteAuthorityResponse* response) {
  return Serve(parts_, "DeleteAuthority", *context, kScopes,
               [&](const auth::Claims& claims) { return Delete(claims, *request, *response); });
}

absl::Status CredentialService::Delete(const auth::Claims& claims,
                                       const credential::v1::DeleteAuthorityRequest& request,
                                       credential::v1::DeleteAuthorityResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name, ReadAuthorityName(claims, request.name()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto remove = [&](postgres::Transaction& transaction,
                          credential::v1::DeleteAuthorityResponse&) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const AuthorityRow row,
                        LockAuthority(transaction, name.tenant.str(), name.id));
    HP_RETURN_IF_ERROR(CheckEtag(request.etag(), EtagOf(row)));
    return registry::DeleteAuthority(transaction, ActorOf(claims), row.tenant, row.id);
  };
  return Change(*connection, ActorOf(claims), "DeleteAuthority", request, response, remove);
}

grpc::Status CredentialService::ImportRevocationList(
    grpc::ServerContext* context, const credential::v1::ImportRevocationListRequest* request,
    credential::v1::ImportRevocationListResponse* response) {
  return Serve(parts_, "ImportRevocationList", *context, kScopes,
               [&](const auth::Claims& claims) { return Import(claims, *request, *response); });
}

absl::Status CredentialService::Import(const auth::Claims& claims,
                                       const credential::v1::ImportRevocationListRequest& request,
                                       credential::v1::ImportRevocationListResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name, ReadAuthorityName(claims, request.name()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const AuthorityRow row,
                      FindAuthority(*connection, name.tenant.str(), name.id));
  HP_ASSIGN_OR_RETURN(const auth::Certificate authority, auth::Certificate::FromPem(row.pem));
  const absl::StatusOr<std::vector<std::string>> serials = auth::ReadCrl(request.crl(), authority);
  if (!serials.ok()) {
    return Invalid("CERTIFICATE_INVALID", fmt::format("crl: {}", Message(serials.status())));
  }
  HP_RETURN_IF_ERROR(postgres::InTransaction(*connection, [&](postgres::Transaction& transaction) {
    return SetRevokedSerials(transaction, ActorOf(claims), row, *serials);
  }));
  response.set_serials(static_cast<int32_t>(serials->size()));
  return absl::OkStatus();
}

}  // namespace homeport::registry
