#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "services/gateway/inspect/session_desk.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Both ends of operators' calls between pods: those begun here that await their answer, and those
// for this pod, which go to its desk. They travel as commands do, through the pods' inboxes.
// Shard's thread only.
class SessionCalls {
 public:
  // What the way to a pod and back may take, at most.
  static constexpr int64_t kWayMsMax = 500;

  using OnAnswer = absl::AnyInvocable<void(absl::StatusOr<internal::v1::SessionAnswer>)>;

  SessionCalls(ShardContext& context, Delivery& delivery) : c_(context), desk_(context, delivery) {}

  // How long a call may take: its answer is awaited for `answer_ms`. The pod itself has up to half
  // a second less, so that its answer arrives, and no more than `pod_ms`.
  struct Time {
    int64_t answer_ms = 0;
    int64_t pod_ms = std::numeric_limits<int64_t>::max();
  };
  // Asks `pod`, which may be this one. `on_answer` is called exactly once. Errors, with their
  // reasons: TOO_MANY_CALLS, GATEWAY_DRAINING, POD_UNREACHABLE.
  void Call(const std::string& pod, internal::v1::SessionCall call, Time time, OnAnswer on_answer);
  // Ends everything pending, and refuses what comes: the gateway is stopping.
  void EndAll();

  // From the inbox.
  void OnCall(const internal::v1::SessionCall& call);
  void OnReply(const internal::v1::SessionAnswer& answer);

 private:
  struct Pending {
    OnAnswer on_answer;
    net::TimerId timer = 0;
  };
  void End(uint64_t correlation, absl::StatusOr<internal::v1::SessionAnswer> answer);

  ShardContext& c_;
  SessionDesk desk_;
  absl::flat_hash_map<uint64_t, Pending> pending_;
  uint64_t last_correlation_ = 0;
  bool stopping_ = false;
};

}  // namespace homeport::gateway
