#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/auth/certificate.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry {

// The table certificate. Errors carry the reasons CERTIFICATE_EXISTS, CREDENTIAL_NOT_FOUND,
// CREDENTIALS_MAX.
struct CertificateRow {
  enum class State : uint8_t { kPending, kActive, kRevoked };
  std::string id;
  std::string tenant;
  std::string device;
  std::string template_name;
  std::string authority;
  std::string serial;
  std::string link_serial;  // of what `authority` signed itself; "": not known
  std::string pem;
  std::string token_sha256;
  State state = State::kActive;
  int64_t not_before_ms = 0;
  int64_t not_after_ms = 0;
  int64_t pending_until_ms = 0;  // of a pending one
  int64_t created_ms = 0;
};

// The columns that the certificate itself tells.
[[nodiscard]] CertificateRow RowOf(const auth::Certificate& certificate, std::string_view tenant);

[[nodiscard]] absl::StatusOr<std::optional<CertificateRow>> FindCertificate(
    postgres::Connection& connection, std::string_view id);
// As FindCertificate, and nobody else changes the row until the transaction ends.
[[nodiscard]] absl::StatusOr<std::optional<CertificateRow>> LockCertificate(
    postgres::Transaction& transaction, std::string_view id);
// ALREADY_EXISTS CERTIFICATE_EXISTS.
[[nodiscard]] absl::Status InsertCertificate(postgres::Transaction& transaction,
                                             const CertificateRow& row);
// The same, for its device where that has room, or as a claim; gateways are told.
[[nodiscard]] absl::Status CreateCertificate(postgres::Transaction& transaction, const Actor& actor,
                                             const CertificateRow& row);
// Those of a device, claims of a tenant: sorted by id, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<CertificateRow>> ListCertificates(
    postgres::Connection& connection, std::string_view device, std::string_view after,
    int64_t limit);
[[nodiscard]] absl::StatusOr<std::vector<CertificateRow>> ListClaims(
    postgres::Connection& connection, std::string_view tenant, std::string_view after,
    int64_t limit);
// Those of a device that are valid now, the newest first, their device locked by the caller.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ActiveCertificates(
    postgres::Transaction& transaction, std::string_view device);
[[nodiscard]] absl::Status SetLinkSerial(postgres::Connection& connection, std::string_view id,
                                         std::string_view link_serial);
// A pending certificate becomes the device's.
[[nodiscard]] absl::Status ActivateCertificate(postgres::Transaction& transaction,
                                               std::string_view id, std::string_view device);
[[nodiscard]] absl::Status RevokeCertificate(postgres::Transaction& transaction, const Actor& actor,
                                             std::string_view id);
// Removes those still pending past their time; how many.
[[nodiscard]] absl::StatusOr<size_t> DropPendingCertificates(postgres::Connection& connection);

}  // namespace homeport::registry
