#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homeport::auth {

// A public key that verifies the signatures of JWTs: ECDSA on P-256 (ES256), RSA of 2,048 to 8,192
// bits (RS256), Ed25519 (EdDSA). Immutable, thread-safe.
class PublicKey {
 public:
  // "-----BEGIN PUBLIC KEY-----". INVALID_ARGUMENT for anything else, and for other kinds of keys.
  [[nodiscard]] static absl::StatusOr<PublicKey> FromPem(std::string_view pem);
  // A SubjectPublicKeyInfo.
  [[nodiscard]] static absl::StatusOr<PublicKey> FromDer(std::string_view der);
  // Takes `key` over, which may be null.
  [[nodiscard]] static absl::StatusOr<PublicKey> Take(EVP_PKEY* key);

  // The `alg` of the signatures it verifies.
  [[nodiscard]] std::string_view algorithm() const { return algorithm_; }
  [[nodiscard]] std::string ToDer() const;
  [[nodiscard]] std::string ToPem() const;
  // `signature` in the form of JWS.
  [[nodiscard]] bool Verify(std::string_view text, std::string_view signature) const;

 private:
  PublicKey(std::shared_ptr<EVP_PKEY> key, std::string_view algorithm)
      : key_(std::move(key)), algorithm_(algorithm) {}

  std::shared_ptr<EVP_PKEY> key_;  // shared by copies, never changed
  std::string_view algorithm_;
};

}  // namespace homeport::auth
