#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "homeport/session/v1/session.pb.h"
#include "libs/mqtt/limits.h"

// What SessionService's requests say, checked, and what pods' answers mean. Pure.
namespace homeport::gateway {

// The message of a PublishToSession, which keeps to what a client may publish. Errors, with their
// reasons: TOPIC_INVALID, FIELD_INVALID, MESSAGE_TOO_LARGE.
[[nodiscard]] absl::StatusOr<internal::v1::PublishToClient> ToPublish(
    const session::v1::PublishToSessionRequest& request, const mqtt::Limits& limits);

// How long to wait for the PUBACK of a PublishToSession. Error: FIELD_INVALID.
[[nodiscard]] absl::StatusOr<int64_t> ToPubackMs(
    const session::v1::PublishToSessionRequest& request);

[[nodiscard]] absl::Status SessionNotFound(const std::string& name);

// The error that an answer about the session of that name means; OK where it was done.
[[nodiscard]] absl::Status ToStatus(const internal::v1::SessionAnswer& answer,
                                    const std::string& name);

// Why a pod's answer ends the list that it was to be a part of; OK where it is a part, or where the
// pod is only named as one that has not answered (POD_UNREACHABLE).
[[nodiscard]] absl::Status WhyNoList(const absl::StatusOr<internal::v1::SessionAnswer>& answer);

[[nodiscard]] absl::Status PageTokenInvalid();

// Error: FIELD_INVALID.
[[nodiscard]] absl::StatusOr<internal::v1::ScanSessions::Kind> ToKind(
    session::v1::ListTopTalkersRequest::Order order);

// 0 means the default; larger than the maximum is lowered to it; negative: FIELD_INVALID.
struct PageSizes {
  uint32_t size_default = 0;
  uint32_t size_max = 0;
};
[[nodiscard]] absl::StatusOr<uint32_t> ToPageSize(int32_t asked, const PageSizes& sizes);

}  // namespace homeport::gateway
