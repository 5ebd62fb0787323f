#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/auth/jws.h"
#include "libs/auth/signing_keys.h"
#include "libs/base/clock.h"
#include "libs/json/value.h"

namespace homeport::auth {

// What a verified token says of its bearer.
struct Claims {
  std::string subject;
  std::string tenant;
  std::vector<std::string> scopes;  // "user", "operator", "platform", "service"
  int64_t expires_s = 0;            // Unix seconds

  [[nodiscard]] bool HasScope(std::string_view scope) const;
};

// What a token must satisfy beside its signature.
struct TokenRules {
  std::string issuer = {};
  int64_t clock_skew_s = 60;
};

// Verifies JWTs (ES256 and RS256 only) against the public keys of one JWKS. Immutable, thread-safe.
class TokenVerifier {
 public:
  // Errors as SigningKeys::Parse.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<TokenVerifier>> FromJwks(
      std::string_view jwks, TokenRules rules);

  // UNAUTHENTICATED with the reason TOKEN_INVALID or TOKEN_EXPIRED (libs/base/reason.h). A token
  // with a `kid` is checked with that key only; one without, with every key of its type.
  [[nodiscard]] absl::StatusOr<Claims> Verify(std::string_view jwt, WallMs now) const;

 private:
  TokenVerifier(TokenRules rules, std::unique_ptr<const SigningKeys> keys);
  [[nodiscard]] absl::StatusOr<Claims> Accept(const json::Object& object, int64_t now_s) const;

  const TokenRules rules_;
  const std::unique_ptr<const SigningKeys> keys_;
};

}  // namespace homeport::auth
