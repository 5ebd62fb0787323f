#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::testing {

// A fresh key pair that signs JWTs, for tests of what verifies them.
class TokenSigner {
 public:
  [[nodiscard]] static TokenSigner Es256(std::string kid);
  [[nodiscard]] static TokenSigner Rs256(std::string kid);
  [[nodiscard]] static TokenSigner Ed25519(std::string kid);

  [[nodiscard]] std::string PublicPem() const;
  // The public key as a JWK object. Not of Ed25519.
  [[nodiscard]] std::string Jwk() const;

  // A token with the header {"alg":…,"kid":…}.
  [[nodiscard]] std::string Sign(std::string_view claims_json) const;
  // A token with any header, signed by this key whatever the header says.
  [[nodiscard]] std::string SignWithHeader(std::string_view header_json,
                                           std::string_view claims_json) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  TokenSigner(EVP_PKEY* key, std::string kid, std::string_view algorithm)
      : key_(key), kid_(std::move(kid)), algorithm_(algorithm), is_ec_(algorithm == "ES256") {}
  [[nodiscard]] std::string Signature(std::string_view text) const;
  [[nodiscard]] std::string Number(const char* parameter, size_t bytes) const;

  std::unique_ptr<EVP_PKEY, Free> key_;
  std::string kid_;
  std::string_view algorithm_;
  bool is_ec_;
};

// {"keys":[…]} of the signers' public keys.
[[nodiscard]] std::string JwksOf(const std::vector<const TokenSigner*>& signers);

[[nodiscard]] std::string Base64Url(std::string_view bytes);

// Claims as Homeport's issuer makes them.
struct TestClaims {
  std::string_view issuer = "https://issuer.test";
  std::string_view subject = "alice";
  std::string_view tenant = "default";
  std::string_view scope = "user";
  int64_t expires_s = 0;
};
[[nodiscard]] std::string ToJson(const TestClaims& claims);

}  // namespace homeport::testing
