#pragma once

#include <string>
#include <string_view>

#include "services/registry/store/credential_table.h"

namespace homeport::registry {

// 32 random bytes as base64url text: a fleet key, a device secret.
[[nodiscard]] std::string MakeSecret();

// An id for a credential that has none of its own: "<prefix>-<12 hex digits>".
[[nodiscard]] std::string MakeCredentialId(std::string_view prefix);

// A secret, or the SHA-256 of one, as the table credential keeps it, under a new id.
[[nodiscard]] CredentialRow SecretHashRow(std::string_view device, std::string_view sha256);
[[nodiscard]] CredentialRow SecretRow(std::string_view device, std::string_view secret);

}  // namespace homeport::registry
