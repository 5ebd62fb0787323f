#pragma once

#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "services/registry/pod_inbox.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

inline constexpr int64_t kAskMsMax = 10'000;

[[nodiscard]] inline int64_t AskMs(const grpc::ServerContext& context) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  return std::clamp<int64_t>(ms, 0, kAskMsMax);
}

// Appends a request to the stream of the device that `message` names and waits for its owner's
// answer, no longer than the call's deadline.
[[nodiscard]] inline absl::StatusOr<internal::v1::ApiAnswer> AskOwner(
    const grpc::ServerContext& context, StreamAppender& appender, AnswerTable& answers,
    internal::v1::UplinkMessage message) {
  const int64_t deadline_us = MonotonicMicros() + AskMs(context) * 1000;
  HP_ASSIGN_OR_RETURN(const uint64_t correlation, answers.Expect());
  message.set_correlation(correlation);
  message.set_received_ms(SystemClock().Wall().value);
  const absl::Status appended = appender.AppendUplink(message, AskMs(context));
  const int64_t left_ms = appended.ok() ? (deadline_us - MonotonicMicros()) / 1000 : 0;
  absl::StatusOr<internal::v1::ApiAnswer> answer =
      answers.Await(correlation, std::max<int64_t>(0, left_ms));
  HP_RETURN_IF_ERROR(appended);
  return answer;
}

}  // namespace homeport::registry
