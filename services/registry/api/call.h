#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/postgres/pool.h"
#include "libs/postgres/sql_error.h"
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
  const std::string reason = ReasonOf(status);
  if (absl::IsUnavailable(status) && (reason.empty() || reason == postgres::kLockTimeout)) {
    return rpc::ToGrpc(WithReason(status, "POSTGRES_UNAVAILABLE"));
  }
  return rpc::ToGrpc(status);
}

// Whether a method, by its name, changes nothing (AIP-131, AIP-132).
[[nodiscard]] inline bool IsRead(std::string_view method) {
  return method.starts_with("Get") || method.starts_with("List");
}

// A failure of PostgreSQL before it was given up for frozen.
[[nodiscard]] inline bool IsWorthRepeating(const absl::Status& status, int64_t micros) {
  constexpr int64_t kRepeatUsMax = 1'000'000;
  return absl::IsUnavailable(status) && ReasonOf(status).empty() && micros < kRepeatUsMax;
}

// `body()`, for a read a second time when PostgreSQL broke under it: the pool has dropped the
// connections of the server that went.
template <typename Body>
auto Attempt(std::string_view method, Body body) {
  const int64_t started_us = MonotonicMicros();
  auto answer = body();
  if constexpr (std::is_same_v<decltype(answer), absl::Status>) {
    if (IsRead(method) && IsWorthRepeating(answer, MonotonicMicros() - started_us)) return body();
  }
  return answer;
}

// One call: the caller must hold one of `scopes`; then `body(claims)` gives the answer, an
// absl::Status or a grpc::Status. A read fills its response when it has read everything: it may be
// called twice.
template <typename Body>
grpc::Status Serve(const ApiParts& parts, std::string_view method,
                   const grpc::ServerContext& context,
                   std::initializer_list<std::string_view> scopes, Body body) {
  const absl::StatusOr<auth::Claims> claims = parts.auth.Authorize(context, scopes);
  const grpc::Status answer = claims.ok() ? ToAnswer(Attempt(method, [&] { return body(*claims); }))
                                          : rpc::ToGrpc(claims.status());
  parts.probe.Call(method, static_cast<int>(answer.error_code()));
  return answer;
}

// The same for a handler that does not wait: ends the call.
inline void Answer(const ApiParts& parts, std::string_view method, grpc::ServerUnaryReactor& call,
                   const absl::Status& status) {
  const grpc::Status answer = ToAnswer(status);
  parts.probe.Call(method, static_cast<int>(answer.error_code()));
  call.Finish(answer);
}

// What waits for a ReadLane is at its limit.
[[nodiscard]] inline absl::Status TooManyReads(const ApiParts& parts) {
  constexpr std::string_view kReason = "API_READS_WAITING_MAX";
  parts.probe.ReadRefused();
  log::Refusal("read_refused", {{"limit", "api-reads-waiting-max"}});
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReason,
                         "too many reads wait for PostgreSQL");
}

}  // namespace homeport::registry
