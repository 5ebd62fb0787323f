#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homeport::auth {

// Keeps secrets at rest: AES-256-GCM under one key. Immutable, thread-safe.
class SealedBox {
 public:
  // 64 hex digits, white space around them ignored. INVALID_ARGUMENT for anything else.
  [[nodiscard]] static absl::StatusOr<SealedBox> FromHex(std::string_view hex);

  // `label` must be given again to open: it ties a secret to its place.
  [[nodiscard]] std::string Seal(std::string_view secret, std::string_view label) const;
  // Nothing where key, label or a byte is not what it was.
  [[nodiscard]] std::optional<std::string> Open(std::string_view sealed,
                                                std::string_view label) const;

 private:
  explicit SealedBox(std::string key) : key_(std::move(key)) {}

  std::string key_;
};

}  // namespace homeport::auth
