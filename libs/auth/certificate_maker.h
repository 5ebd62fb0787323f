#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/auth/certificate.h"
#include "libs/base/clock.h"

// What a private certificate authority does: keys, its own certificate, certificates of devices.
// Keys are P-256. Draws random numbers from OpenSSL; reads no clock.
namespace homeport::auth {

struct KeyAndCertificate {
  std::string key_pem;  // PKCS #8, not encrypted
  std::string certificate_pem;
};

struct CertificateTerms {
  std::string common_name;
  WallMs now;
  int64_t days = 0;
};

// A self-signed authority, which may sign no authorities.
[[nodiscard]] absl::StatusOr<KeyAndCertificate> MakeAuthority(const CertificateTerms& terms);

// A private key in PEM.
[[nodiscard]] absl::StatusOr<std::string> MakeKey();
// A request for a certificate over a key of ours, for an authority elsewhere.
[[nodiscard]] absl::StatusOr<std::string> MakeCsr(std::string_view key_pem,
                                                  std::string_view common_name);
// OK when `csr_pem` is a certificate request signed by its own key, which is P-256, P-384, P-521,
// RSA of 2,048 to 8,192 bits, or Ed25519. INVALID_ARGUMENT otherwise.
[[nodiscard]] absl::Status CheckCsr(std::string_view csr_pem);

// Whether the certificate is over the key of the request.
[[nodiscard]] bool IsForCsr(const Certificate& certificate, std::string_view csr_pem);

// A client certificate over the key of a request. The subject of the request is not taken over: a
// device does not choose what its certificate says. REQUIRES: CheckCsr.
[[nodiscard]] absl::StatusOr<Certificate> SignCsr(std::string_view csr_pem,
                                                  const KeyAndCertificate& authority,
                                                  const CertificateTerms& terms);

}  // namespace homeport::auth
