#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry {

// The table authority, and the serial numbers their revocation lists name. Errors carry the reasons
// AUTHORITY_NOT_FOUND, AUTHORITY_EXISTS, AUTHORITIES_MAX.
struct AuthorityRow {
  std::string tenant;
  std::string id;
  std::string pem;
  std::string certificate_id;
  std::string subject_sha256;
  std::string sealed_key;  // "": its key is elsewhere
  std::string product;     // registers unknown devices; "": does not
  bool disabled = false;
  int64_t created_ms = 0;
};

inline constexpr int64_t kAuthoritiesMax = 100;  // of a tenant

[[nodiscard]] absl::StatusOr<AuthorityRow> CreateAuthority(postgres::Transaction& transaction,
                                                           const Actor& actor,
                                                           const AuthorityRow& row);
[[nodiscard]] absl::StatusOr<AuthorityRow> FindAuthority(postgres::Connection& connection,
                                                         std::string_view tenant,
                                                         std::string_view id);
// Nobody else changes the row until the transaction ends.
[[nodiscard]] absl::StatusOr<AuthorityRow> LockAuthority(postgres::Transaction& transaction,
                                                         std::string_view tenant,
                                                         std::string_view id);
// Sorted by id, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<AuthorityRow>> ListAuthorities(
    postgres::Connection& connection, std::string_view tenant, std::string_view after,
    int64_t limit);
// Those with one of these subjects, of any tenant.
[[nodiscard]] absl::StatusOr<std::vector<AuthorityRow>> FindAuthoritiesBySubject(
    postgres::Connection& connection, const std::vector<std::string>& subjects_sha256);
// Sets disabled and product.
[[nodiscard]] absl::StatusOr<AuthorityRow> UpdateAuthority(postgres::Transaction& transaction,
                                                           const Actor& actor,
                                                           const AuthorityRow& row);
// The tenant's authorities register no more devices of a product.
[[nodiscard]] absl::Status StopRegistering(postgres::Transaction& transaction, const Actor& actor,
                                           std::string_view tenant, std::string_view product);
[[nodiscard]] absl::Status DeleteAuthority(postgres::Transaction& transaction, const Actor& actor,
                                           std::string_view tenant, std::string_view id);

// Replaces the serials. Certificates that are known are revoked where `serials` names them, or the
// authority that they go through.
[[nodiscard]] absl::Status SetRevokedSerials(postgres::Transaction& transaction, const Actor& actor,
                                             const AuthorityRow& authority,
                                             const std::vector<std::string>& serials);
[[nodiscard]] absl::StatusOr<bool> IsSerialRevoked(postgres::Connection& connection,
                                                   const AuthorityRow& authority,
                                                   std::string_view serial);

}  // namespace homeport::registry
