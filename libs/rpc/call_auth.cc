#include "libs/rpc/call_auth.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::rpc {
namespace {

constexpr std::string_view kScheme = "bearer ";

// The scheme's name is case-insensitive (RFC 7235, 2.1).
std::optional<std::string_view> BearerToken(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  if (found == metadata.end()) return std::nullopt;
  const std::string_view value(found->second.data(), found->second.size());
  if (value.size() <= kScheme.size()) return std::nullopt;
  const bool is_bearer =
      std::equal(kScheme.begin(), kScheme.end(), value.begin(), [](char expected, char c) {
        return expected == std::tolower(static_cast<unsigned char>(c));
      });
  if (!is_bearer) return std::nullopt;
  return value.substr(kScheme.size());
}

}  // namespace

absl::StatusOr<auth::Claims> CallAuth::Authorize(
    const grpc::ServerContextBase& context,
    std::initializer_list<std::string_view> any_of_scopes) const {
  const std::optional<std::string_view> token = BearerToken(context);
  if (!token.has_value()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING",
                           "the call needs the metadata authorization: Bearer <token>");
  }
  HP_ASSIGN_OR_RETURN(auth::Claims claims, tokens_.Verify(*token, clock_.Wall()));
  const bool allowed =
      std::any_of(any_of_scopes.begin(), any_of_scopes.end(),
                  [&claims](std::string_view scope) { return claims.HasScope(scope); });
  if (!allowed) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
        fmt::format("the token lacks the scope \"{}\"", fmt::join(any_of_scopes, "\" or \"")));
  }
  return claims;
}

absl::Status PermissionDenied(std::string_view resource) {
  return ErrorWithReason(
      absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
      fmt::format("permission denied on resource \"{}\" (or it might not exist)", resource));
}

absl::Status CheckTenant(const auth::Claims& claims, std::string_view tenant) {
  if (claims.tenant == tenant) return absl::OkStatus();
  return PermissionDenied(fmt::format("tenants/{}", tenant));
}

}  // namespace homeport::rpc
