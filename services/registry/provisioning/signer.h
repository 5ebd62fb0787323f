#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/auth/certificate.h"
#include "libs/auth/sealed_box.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// Signs certificates for devices: with a private authority that each tenant has, whose key lies
// encrypted in PostgreSQL, or by a program that asks an authority elsewhere. Thread-safe.
class CertificateSigner {
 public:
  struct Options {
    std::optional<auth::SealedBox> box;  // encrypts the keys of private authorities
    // A program: reads a certificate request (PEM) on standard input, its only argument is the
    // days the certificate shall live, writes the certificate (PEM). It has 10 s.
    std::string command;
    int64_t days = 365;
  };
  explicit CertificateSigner(Options options) : options_(std::move(options)) {}

  // FAILED_PRECONDITION NO_SIGNING_AUTHORITY when neither is set up; UNAVAILABLE when the program
  // fails. REQUIRES: auth::CheckCsr(csr_pem).
  [[nodiscard]] absl::StatusOr<auth::Certificate> Sign(postgres::Connection& connection,
                                                       const std::string& tenant,
                                                       const std::string& csr_pem,
                                                       WallMs now) const;

 private:
  [[nodiscard]] absl::StatusOr<auth::Certificate> SignHere(postgres::Connection& connection,
                                                           const std::string& tenant,
                                                           const std::string& csr_pem,
                                                           WallMs now) const;
  [[nodiscard]] absl::StatusOr<auth::Certificate> SignElsewhere(const std::string& csr_pem) const;

  const Options options_;
};

}  // namespace homeport::registry
