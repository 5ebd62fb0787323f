#pragma once

#include <google/protobuf/duration.pb.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace homeport::rpc {

// Until the caller gives up; very large where it set no deadline.
[[nodiscard]] inline int64_t MsLeft(const grpc::ServerContextBase& context) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(context.deadline() -
                                                               std::chrono::system_clock::now())
      .count();
}

struct TimeoutBounds {
  int64_t ms_default = 5'000;
  int64_t ms_max = 60'000;
};

// How long to wait for someone: what the caller wishes, but answering before the call's deadline,
// also where the machine is busy.
[[nodiscard]] inline int64_t TimeoutMs(const grpc::ServerContextBase& context,
                                       const google::protobuf::Duration& wish,
                                       const TimeoutBounds& bounds) {
  const int64_t left_ms = MsLeft(context);
  const int64_t answer_ms = std::clamp<int64_t>(left_ms / 10, 20, 250);
  const int64_t seconds = std::clamp<int64_t>(wish.seconds(), -1, bounds.ms_max);
  int64_t ms = seconds * 1000 + wish.nanos() / 1'000'000;
  ms = ms <= 0 ? bounds.ms_default : std::min(ms, bounds.ms_max);
  return std::clamp<int64_t>(left_ms - answer_ms, 1, ms);
}

}  // namespace homeport::rpc
