#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/audit_table.h"

namespace homeport::registry {

inline constexpr std::string_view kSecretKind = "secret";
inline constexpr std::string_view kPublicKeyKind = "public_key";

// The table credential: secrets and public keys of devices. Errors carry the reasons
// CREDENTIAL_NOT_FOUND, CREDENTIALS_MAX.
struct CredentialRow {
  std::string device;
  std::string id;
  std::string kind;
  std::string data;  // SHA-256 of a secret; the DER of a public key
  int64_t created_ms = 0;
  int64_t expires_ms = 0;  // 0: never
};

// Of each kind, so that one can be replaced while the other is in use.
inline constexpr size_t kCredentialsMax = 2;

// REQUIRES: the device exists. RESOURCE_EXHAUSTED CREDENTIALS_MAX where it has two of the kind.
[[nodiscard]] absl::Status AddCredential(postgres::Transaction& transaction, const Actor& actor,
                                         const CredentialRow& row);
// Sorted by id; few.
[[nodiscard]] absl::StatusOr<std::vector<CredentialRow>> ListCredentials(
    postgres::Connection& connection, std::string_view device);
[[nodiscard]] absl::Status RevokeCredential(postgres::Transaction& transaction, const Actor& actor,
                                            std::string_view device, std::string_view id);
// Puts one secret in the place of all others; those are revoked.
[[nodiscard]] absl::Status ReplaceSecrets(postgres::Transaction& transaction,
                                          const CredentialRow& row);
// Until the transaction ends, nobody else adds credentials to the device.
[[nodiscard]] absl::Status LockCredentials(postgres::Transaction& transaction,
                                           std::string_view device);
// RESOURCE_EXHAUSTED CREDENTIALS_MAX.
[[nodiscard]] absl::Status TooManyCredentials();
// As part of creating a device.
[[nodiscard]] absl::Status InsertCredential(postgres::Transaction& transaction,
                                            const CredentialRow& row);

}  // namespace homeport::registry
