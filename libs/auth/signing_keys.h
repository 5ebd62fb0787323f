#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::auth {

// The public keys of a JWKS (RFC 7517) that verify ES256 (P-256) or RS256 (RSA of 2,048 bits and
// more). Immutable, thread-safe.
class SigningKeys {
 public:
  // Keys of other types or uses are skipped. INVALID_ARGUMENT where `jwks` is not a JWKS, or holds
  // no usable key.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const SigningKeys>> Parse(
      std::string_view jwks);
  ~SigningKeys();

  // Whether `signature`, in the form of JWS, is that of a key over `text`: of the key named `kid`,
  // or of any key for `algorithm` when `kid` is empty. A key verifies its own algorithm only.
  [[nodiscard]] bool Verify(std::string_view algorithm, std::string_view kid, std::string_view text,
                            std::string_view signature) const;

 private:
  struct Key;
  explicit SigningKeys(std::vector<Key> keys);

  const std::vector<Key> keys_;
};

}  // namespace homeport::auth
