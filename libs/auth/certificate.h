#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"

namespace homeport::auth {

inline constexpr size_t kCertificateBytesMax = 16 * 1024;

// An X.509 certificate. Immutable, thread-safe. Parsing refuses what is larger than
// kCertificateBytesMax with INVALID_ARGUMENT.
class Certificate {
 public:
  [[nodiscard]] static absl::StatusOr<Certificate> FromDer(std::string_view der);
  // The first certificate of the text.
  [[nodiscard]] static absl::StatusOr<Certificate> FromPem(std::string_view pem);

  [[nodiscard]] std::string ToPem() const;
  // Lower-case hex of the SHA-256 of its DER: what AWS IoT calls the certificate id.
  [[nodiscard]] std::string Id() const;
  [[nodiscard]] std::string Serial() const;  // hex
  // SHA-256 of the DER of its subject, and of its issuer's.
  [[nodiscard]] std::string SubjectSha256() const;
  [[nodiscard]] std::string IssuerSha256() const;
  [[nodiscard]] int64_t not_before_s() const;
  [[nodiscard]] int64_t not_after_s() const;
  [[nodiscard]] bool is_authority() const;
  // Names it may stand for, the best first: each DNS name and URI of the subject alternative name
  // (of a URI what follows its last '/' or ':'), then the common name.
  [[nodiscard]] std::vector<std::string> Names() const;
  // The subject by the words of AWS's just-in-time parameters: Country, Organization,
  // OrganizationalUnit, DistinguishedNameQualifier, StateName, CommonName, SerialNumber.
  [[nodiscard]] std::map<std::string, std::string> Subject() const;

  // The path when the certificate chains to `authority` over `chain`, is a client's by its extended
  // key usage, and is valid at `now`: this certificate first, last the one that `authority` signed
  // itself. PERMISSION_DENIED with OpenSSL's words otherwise.
  [[nodiscard]] absl::StatusOr<std::vector<Certificate>> VerifyBy(
      const Certificate& authority, const std::vector<Certificate>& chain, WallMs now) const;

  [[nodiscard]] X509* get() const { return certificate_.get(); }

 private:
  explicit Certificate(X509* certificate)
      : certificate_(certificate, [](X509* c) { X509_free(c); }) {}

  std::shared_ptr<X509> certificate_;  // shared by copies, never changed
};

// The hex form of Certificate::Id for DER that need not be parsed.
[[nodiscard]] std::string CertificateIdOf(std::string_view der);

// The serials (as Certificate::Serial) that a CRL in PEM or DER revokes. INVALID_ARGUMENT unless
// `authority` signed it; one past its next update is taken too.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ReadCrl(std::string_view crl,
                                                               const Certificate& authority);

}  // namespace homeport::auth
