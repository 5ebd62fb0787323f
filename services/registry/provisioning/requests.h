#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/clock.h"
#include "libs/json/value.h"
#include "libs/postgres/connection.h"
#include "services/registry/provisioning/signer.h"

namespace homeport::registry {

// What AWS IoT's provisioning topics ask for, carried out. One thread.
class ProvisionRequests {
 public:
  static constexpr size_t kBodyBytesMax = 10 * 1024;
  static constexpr int64_t kTokenMs = 3'600'000;

  // The payload of `accepted` or of `rejected`.
  struct Answer {
    bool accepted = false;
    json::Object body;
    std::string_view outcome;  // for the metric and the log: "accepted" or the error code
  };

  explicit ProvisionRequests(const CertificateSigner& signer) : signer_(signer) {}

  // `request.payload` is CBOR where `cbor`. An error is PostgreSQL's: nothing was done.
  [[nodiscard]] absl::StatusOr<Answer> Carry(postgres::Connection& connection,
                                             std::string_view detail,
                                             const internal::v1::ProvisionRequest& request,
                                             bool cbor, WallMs now) const;

  [[nodiscard]] static Answer Rejected(int status, std::string_view code, std::string_view message);

 private:
  using Request = internal::v1::ProvisionRequest;
  [[nodiscard]] absl::StatusOr<Answer> Create(postgres::Connection& connection,
                                              const Request& request, WallMs now) const;
  [[nodiscard]] absl::StatusOr<Answer> CreateFromCsr(postgres::Connection& connection,
                                                     const Request& request,
                                                     const json::Object& body, WallMs now) const;
  // Signs, and notes the certificate as pending.
  [[nodiscard]] absl::StatusOr<Answer> Issue(postgres::Connection& connection,
                                             const Request& request, const std::string& csr_pem,
                                             WallMs now) const;
  [[nodiscard]] absl::StatusOr<Answer> Provision(postgres::Connection& connection,
                                                 std::string_view template_name,
                                                 const Request& request, const json::Object& body,
                                                 WallMs now) const;

  const CertificateSigner& signer_;
};

}  // namespace homeport::registry
