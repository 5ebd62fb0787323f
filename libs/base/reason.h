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

// A dynamic part of the message for machines: it becomes metadata of the ErrorInfo. libs/rpc also
// knows these keys: "field" makes a BadRequest, "quota_subject" a QuotaFailure.
inline constexpr std::string_view kDetailPayload = "homeport/detail/";

[[nodiscard]] inline absl::Status WithDetail(absl::Status status, std::string_view key,
                                             std::string_view value) {
  const std::string name = std::string(kDetailPayload) + std::string(key);
  status.SetPayload(name, absl::Cord(absl::string_view(value.data(), value.size())));
  return status;
}

// INVALID_ARGUMENT FIELD_INVALID; `field` is the path within the request.
[[nodiscard]] inline absl::Status FieldInvalid(std::string_view field, std::string_view message) {
  return WithDetail(ErrorWithReason(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                                    std::string(field) + ": " + std::string(message)),
                    "field", field);
}

// Empty where the status carries none.
[[nodiscard]] inline std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace homeport
