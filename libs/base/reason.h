#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace homeport {

// The machine-readable reason of an error, UPPER_SNAKE_CASE, as named in the .proto comments
// (TOKEN_EXPIRED, DEVICE_OFFLINE …). It rides on the status as a payload, and libs/rpc turns it
// into google.rpc.ErrorInfo.
inline constexpr char kReasonPayload[] = "homeport/reason";

[[nodiscard]] inline absl::Status WithReason(absl::Status status, std::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(absl::string_view(reason.data(), reason.size())));
  return status;
}

// ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND", "no device lamp-1")
[[nodiscard]] inline absl::Status ErrorWithReason(absl::StatusCode code, std::string_view reason,
                                                  std::string_view message) {
  return WithReason(absl::Status(code, absl::string_view(message.data(), message.size())), reason);
}

// Empty where the status carries none.
[[nodiscard]] inline std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace homeport
