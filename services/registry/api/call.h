#pragma once

#include <grpcpp/server_context.h>

#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "libs/base/reason.h"
#include "libs/postgres/pool.h"
#include "libs/rpc/call_auth.h"
#include "libs/rpc/status_convert.h"
#include "services/registry/registry_probe.h"

namespace homeport::registry {

// What every gRPC service of the registry is made from; borrowed. Thread-safe parts only.
struct ApiParts {
  const rpc::CallAuth& auth;
  postgres::Pool& pool;
  ServiceProbe& probe;
};

[[nodiscard]] inline grpc::Status ToAnswer(grpc::Status status) { return status; }
[[nodiscard]] inline grpc::Status ToAnswer(const absl::Status& status) {
  // Every other dependency names itself.
  if (absl::IsUnavailable(status) && ReasonOf(status).empty()) {
    return rpc::ToGrpc(WithReason(status, "POSTGRES_UNAVAILABLE"));
  }
  return rpc::ToGrpc(status);
}

// One call: the caller must hold one of `scopes`; then `body(claims)` gives the answer, an
// absl::Status or a grpc::Status.
template <typename Body>
grpc::Status Serve(const ApiParts& parts, std::string_view method,
                   const grpc::ServerContext& context,
                   std::initializer_list<std::string_view> scopes, Body body) {
  const absl::StatusOr<auth::Claims> claims = parts.auth.Authorize(context, scopes);
  const grpc::Status answer = claims.ok() ? ToAnswer(body(*claims)) : rpc::ToGrpc(claims.status());
  parts.probe.Call(method, static_cast<int>(answer.error_code()));
  return answer;
}

}  // namespace homeport::registry
