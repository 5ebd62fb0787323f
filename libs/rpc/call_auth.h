#pragma once

#include <grpcpp/server_context.h>

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/auth/jwks_file.h"
#include "libs/auth/token.h"
#include "libs/base/clock.h"

namespace homeport::rpc {

// Who makes a call, from its `authorization: Bearer …` metadata. Thread-safe.
class CallAuth {
 public:
  // Both are borrowed and must outlive this.
  CallAuth(auth::JwksFile& tokens, const Clock& clock) : tokens_(tokens), clock_(clock) {}

  // The claims of the caller, who must hold `scope` (or, with several, one of them). Errors, with
  // their reason: UNAUTHENTICATED TOKEN_MISSING | TOKEN_INVALID | TOKEN_EXPIRED,
  // PERMISSION_DENIED PERMISSION_DENIED. ToGrpc(status) is what the method returns.
  [[nodiscard]] absl::StatusOr<auth::Claims> Authorize(const grpc::ServerContextBase& context,
                                                       std::string_view scope) const {
    return Authorize(context, {scope});
  }
  [[nodiscard]] absl::StatusOr<auth::Claims> Authorize(
      const grpc::ServerContextBase& context,
      std::initializer_list<std::string_view> any_of_scopes) const;

 private:
  auth::JwksFile& tokens_;
  const Clock& clock_;
};

// PERMISSION_DENIED, in words that do not tell whether `resource` exists.
[[nodiscard]] absl::Status PermissionDenied(std::string_view resource);

// PERMISSION_DENIED unless `tenant` is the caller's own.
[[nodiscard]] absl::Status CheckTenant(const auth::Claims& claims, std::string_view tenant);

}  // namespace homeport::rpc
