#include "services/registry/api/certificate_resolver.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/auth/certificate.h"
#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/authority_table.h"
#include "services/registry/store/certificate_table.h"
#include "services/registry/store/device_table.h"

namespace homeport::registry {
namespace {

using auth::Certificate;
using internal::v1::CertificateConfig;

constexpr int kChainMax = 4;

CertificateConfig Refusal(std::string_view word) {
  CertificateConfig config;
  config.set_refusal(std::string(word));
  return config;
}

std::string AuthorityName(std::string_view tenant, std::string_view authority) {
  return authority.empty() ? std::string() : fmt::format("{}/{}", tenant, authority);
}

CertificateConfig ToConfig(const CertificateRow& row, WallMs now) {
  CertificateConfig config;
  config.set_id(row.id);
  config.set_tenant(row.tenant);
  config.set_device(row.device);
  config.set_template_(row.template_name);
  config.set_authority(AuthorityName(row.tenant, row.authority));
  config.set_not_before_ms(row.not_before_ms);
  config.set_not_after_ms(row.not_after_ms);
  if (row.state == CertificateRow::State::kRevoked) config.set_refusal("revoked");
  if (row.state == CertificateRow::State::kPending) config.set_refusal("pending");
  if (row.not_after_ms < now.value) config.set_refusal("expired");
  return config;
}

// The device that a certificate of `authority` speaks for; empty: it names none.
std::string DeviceNamedBy(const Certificate& certificate) {
  for (const std::string& name : certificate.Names()) {
    if (auth::IsDeviceName(name)) return name;
  }
  return {};
}

// OK with the device's tenant, product and state checked; the refusal's word otherwise.
absl::StatusOr<std::string_view> EnsureDevice(postgres::Connection& connection,
                                              const AuthorityRow& authority,
                                              const std::string& device) {
  absl::StatusOr<DeviceRow> known = FindDevice(connection, DeviceId(device));
  if (absl::IsNotFound(known.status())) {
    if (authority.product.empty()) return "device_unknown";
    DeviceRow row;
    row.id = device;
    row.tenant = authority.tenant;
    row.product = authority.product;
    const Actor actor{authority.tenant, fmt::format("authorities/{}", authority.id)};
    known = RegisterDevice(connection, actor, row);
    if (absl::IsAlreadyExists(known.status())) known = FindDevice(connection, DeviceId(device));
  }
  if (absl::IsResourceExhausted(known.status())) return "quota_exceeded";
  if (absl::IsNotFound(known.status())) return "device_unknown";  // its product is gone
  HP_RETURN_IF_ERROR(known.status());
  return known->tenant == authority.tenant ? std::string_view() : "device_of_another_tenant";
}

struct Vouched {
  std::string_view refusal = "unknown";
  std::optional<AuthorityRow> authority;
  size_t links = 0;  // of the path to it
  std::string link_serial;
};

// The authority that signed the certificate, perhaps through the chain: of several the nearest. Its
// revocation list tells of what it signed itself, and of nothing else on the path (RFC 5280,
// 6.1.3).
absl::StatusOr<Vouched> FindVoucher(postgres::Connection& connection,
                                    const Certificate& certificate,
                                    const std::vector<Certificate>& chain, WallMs now) {
  std::vector<std::string> subjects = {certificate.IssuerSha256()};
  for (const Certificate& link : chain) subjects.push_back(link.IssuerSha256());
  HP_ASSIGN_OR_RETURN(std::vector<AuthorityRow> candidates,
                      FindAuthoritiesBySubject(connection, subjects));
  Vouched vouched;
  for (AuthorityRow& candidate : candidates) {
    HP_ASSIGN_OR_RETURN(const Certificate authority, Certificate::FromPem(candidate.pem));
    // Those whose key we hold sign for devices that are registered with the certificate itself.
    if (!candidate.sealed_key.empty()) continue;
    const auto path = certificate.VerifyBy(authority, chain, now);
    if (!path.ok() || (vouched.authority && vouched.links <= path->size())) continue;
    vouched.links = path->size();
    vouched.link_serial = path->back().Serial();
    vouched.authority = std::move(candidate);
  }
  if (!vouched.authority) return vouched;
  HP_ASSIGN_OR_RETURN(const bool revoked,
                      IsSerialRevoked(connection, *vouched.authority, vouched.link_serial));
  vouched.refusal = revoked ? "revoked" : vouched.authority->disabled ? "authority_disabled" : "";
  return vouched;
}

absl::StatusOr<CertificateConfig> Introduce(postgres::Connection& connection,
                                            const Certificate& certificate,
                                            const std::vector<Certificate>& chain, WallMs now) {
  if (certificate.not_after_s() * 1000 < now.value) return Refusal("expired");
  HP_ASSIGN_OR_RETURN(const Vouched vouched, FindVoucher(connection, certificate, chain, now));
  if (!vouched.refusal.empty()) return Refusal(vouched.refusal);
  const std::string device = DeviceNamedBy(certificate);
  if (device.empty()) return Refusal("names_no_device");
  HP_ASSIGN_OR_RETURN(const std::string_view refusal,
                      EnsureDevice(connection, *vouched.authority, device));
  if (!refusal.empty()) return Refusal(refusal);
  CertificateRow row = RowOf(certificate, vouched.authority->tenant);
  row.device = device;
  row.authority = vouched.authority->id;
  row.link_serial = vouched.link_serial;
  postgres::Transaction transaction(connection);
  const absl::Status inserted = InsertCertificate(transaction, row);
  if (!inserted.ok() && !absl::IsAlreadyExists(inserted)) return inserted;
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ToConfig(row, now);
}

// As FindVoucher's, of a certificate that is known; found and noted where it was not yet.
absl::StatusOr<std::string> LinkSerial(postgres::Connection& connection,
                                       const Certificate& certificate,
                                       const std::vector<Certificate>& chain,
                                       const CertificateRow& row, const AuthorityRow& authority,
                                       WallMs now) {
  if (!row.link_serial.empty()) return row.link_serial;
  HP_ASSIGN_OR_RETURN(const Certificate signer, Certificate::FromPem(authority.pem));
  const auto path = certificate.VerifyBy(signer, chain, now);
  if (!path.ok()) return row.serial;
  std::string serial = path->back().Serial();
  HP_RETURN_IF_ERROR(SetLinkSerial(connection, row.id, serial));
  return serial;
}

absl::StatusOr<CertificateConfig> Recognise(postgres::Connection& connection,
                                            const Certificate& certificate,
                                            const std::vector<Certificate>& chain,
                                            const CertificateRow& row, WallMs now) {
  CertificateConfig config = ToConfig(row, now);
  if (!config.refusal().empty() || row.authority.empty()) return config;
  const absl::StatusOr<AuthorityRow> authority =
      FindAuthority(connection, row.tenant, row.authority);
  if (absl::IsNotFound(authority.status())) return Refusal("unknown");
  HP_RETURN_IF_ERROR(authority.status());
  if (authority->disabled) {
    config.set_refusal("authority_disabled");
    return config;
  }
  HP_ASSIGN_OR_RETURN(const std::string link_serial,
                      LinkSerial(connection, certificate, chain, row, *authority, now));
  HP_ASSIGN_OR_RETURN(const bool revoked, IsSerialRevoked(connection, *authority, link_serial));
  if (revoked) config.set_refusal("revoked");
  return config;
}

}  // namespace

absl::StatusOr<CertificateConfig> ResolveCertificate(
    postgres::Connection& connection, const internal::v1::ResolveCertificateRequest& request,
    WallMs now) {
  const absl::StatusOr<Certificate> certificate = Certificate::FromDer(request.certificate());
  if (!certificate.ok()) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "CERTIFICATE_INVALID",
                           Message(certificate.status()));
  }
  std::vector<Certificate> chain;
  for (int i = 0; i < std::min(request.chain_size(), kChainMax); ++i) {
    absl::StatusOr<Certificate> link = Certificate::FromDer(request.chain(i));
    if (link.ok()) chain.push_back(*std::move(link));
  }
  HP_ASSIGN_OR_RETURN(const std::optional<CertificateRow> row,
                      FindCertificate(connection, certificate->Id()));
  absl::StatusOr<CertificateConfig> config =
      row ? Recognise(connection, *certificate, chain, *row, now)
          : Introduce(connection, *certificate, chain, now);
  if (config.ok()) config->set_id(certificate->Id());
  return config;
}

}  // namespace homeport::registry
