#pragma once

#include "absl/status/statusor.h"
#include "homeport/internal/v1/directory.pb.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// Whose a client certificate is: it is registered, or a registered authority vouches for it. In the
// second case it is noted, and the device it names is registered where the authority says so.
// CertificateConfig::refusal is one of unknown, revoked, pending, expired, authority_disabled,
// names_no_device, device_unknown, device_of_another_tenant, quota_exceeded.
// Errors: INVALID_ARGUMENT CERTIFICATE_INVALID; those of PostgreSQL.
[[nodiscard]] absl::StatusOr<internal::v1::CertificateConfig> ResolveCertificate(
    postgres::Connection& connection, const internal::v1::ResolveCertificateRequest& request,
    WallMs now);

}  // namespace homeport::registry
