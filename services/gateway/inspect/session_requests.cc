#include "services/gateway/inspect/session_requests.h"

#include <algorithm>
#include <string_view>

#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "libs/mqtt/properties.h"
#include "libs/mqtt/topic.h"
#include "libs/mqtt/types.h"
#include "libs/mqtt/wire.h"

namespace homeport::gateway {
namespace {

using absl::StatusCode;
using internal::v1::SessionAnswer;

constexpr int64_t kPubackMsDefault = 5'000;
constexpr int64_t kPubackMsMax = 15'000;

bool IsTopic(std::string_view topic, const mqtt::Limits& limits) {
  return mqtt::IsValidTopicName(topic) && mqtt::IsWithinLimits(topic, limits);
}

// MQTT text is UTF-8 without U+0000, which protobuf's is not always.
bool IsText(std::string_view text) {
  return text.size() <= mqtt::kStringBytesMax && mqtt::IsValidUtf8(text);
}

absl::Status CheckProperties(const session::v1::PublishToSessionRequest& request,
                             const mqtt::Limits& limits) {
  if (!request.response_topic().empty() && !IsTopic(request.response_topic(), limits)) {
    return FieldInvalid("response_topic", "no topic name within the limits");
  }
  if (request.correlation_data().size() > mqtt::kStringBytesMax) {
    return FieldInvalid("correlation_data", "at most 65535 bytes");
  }
  if (!IsText(request.content_type())) {
    return FieldInvalid("content_type", "MQTT takes 65535 bytes of UTF-8 without U+0000");
  }
  if (static_cast<uint32_t>(request.user_properties_size()) > limits.user_properties_max) {
    return FieldInvalid("user_properties", fmt::format("at most {}", limits.user_properties_max));
  }
  for (const session::v1::UserProperty& property : request.user_properties()) {
    if (IsText(property.name()) && IsText(property.value())) continue;
    return FieldInvalid("user_properties", "MQTT takes 65535 bytes of UTF-8 without U+0000");
  }
  return absl::OkStatus();
}

std::string PropertiesOf(const session::v1::PublishToSessionRequest& request) {
  mqtt::Properties properties;
  if (!request.response_topic().empty()) properties.response_topic = request.response_topic();
  if (!request.correlation_data().empty()) {
    properties.correlation_data = request.correlation_data();
  }
  if (!request.content_type().empty()) properties.content_type = request.content_type();
  for (const session::v1::UserProperty& property : request.user_properties()) {
    properties.user_properties.emplace_back(property.name(), property.value());
  }
  std::string bytes;
  mqtt::AppendProperties(properties, mqtt::PlaceOf(mqtt::PacketType::kPublish), &bytes);
  return bytes;
}

absl::Status TooLarge(const std::string& what) {
  return ErrorWithReason(StatusCode::kFailedPrecondition, "MESSAGE_TOO_LARGE", what);
}

absl::Status TooManyCalls() {
  return ErrorWithReason(StatusCode::kResourceExhausted, "TOO_MANY_CALLS",
                         "a gateway has too many calls about its sessions under way");
}

}  // namespace

absl::StatusOr<internal::v1::PublishToClient> ToPublish(
    const session::v1::PublishToSessionRequest& request, const mqtt::Limits& limits) {
  if (!IsTopic(request.topic(), limits) || request.topic().front() == '$') {
    return WithDetail(
        ErrorWithReason(StatusCode::kInvalidArgument, "TOPIC_INVALID",
                        "topic: a topic name within the limits that does not begin with '$'"),
        "field", "topic");
  }
  if (request.qos() < 0 || request.qos() > 1) return FieldInvalid("qos", "0 or 1");
  if (absl::Status status = CheckProperties(request, limits); !status.ok()) return status;
  internal::v1::PublishToClient publish;
  internal::v1::BusMessage& message = *publish.mutable_message();
  message.set_topic(request.topic());
  message.set_payload(request.payload());
  message.set_qos(static_cast<uint32_t>(request.qos()));
  message.set_properties(PropertiesOf(request));
  if (message.payload().size() + message.properties().size() + message.topic().size() >
      limits.packet_bytes_max) {
    return TooLarge(fmt::format("over packet-bytes-max, {} bytes", limits.packet_bytes_max));
  }
  return publish;
}

absl::StatusOr<int64_t> ToPubackMs(const session::v1::PublishToSessionRequest& request) {
  const google::protobuf::Duration& wish = request.timeout();
  if (wish.seconds() == 0 && wish.nanos() == 0) return kPubackMsDefault;
  const int64_t seconds = std::clamp<int64_t>(wish.seconds(), -1, kPubackMsMax);
  const int64_t ms = seconds * 1000 + wish.nanos() / 1'000'000;
  if (wish.seconds() < 0 || wish.nanos() < 0 || ms > kPubackMsMax) {
    return FieldInvalid("timeout", fmt::format("0 to {} s", kPubackMsMax / 1000));
  }
  return std::max<int64_t>(ms, 1);
}

absl::Status SessionNotFound(const std::string& name) {
  return ErrorWithReason(StatusCode::kNotFound, "SESSION_NOT_FOUND",
                         fmt::format("session \"{}\" is not connected, nor does it wait", name));
}

absl::Status ToStatus(const SessionAnswer& answer, const std::string& name) {
  switch (answer.result()) {
    case SessionAnswer::RESULT_DONE:
      break;
    case SessionAnswer::RESULT_OFFLINE:
      return ErrorWithReason(StatusCode::kFailedPrecondition, "SESSION_OFFLINE",
                             fmt::format("the client of session \"{}\" is away", name));
    case SessionAnswer::RESULT_ENDED:
      return ErrorWithReason(
          StatusCode::kAborted, "SESSION_ENDED",
          fmt::format("session \"{}\" ended before its client had acknowledged", name));
    case SessionAnswer::RESULT_TIMED_OUT:
      return ErrorWithReason(
          StatusCode::kDeadlineExceeded, "PUBACK_TIMED_OUT",
          fmt::format("the client of session \"{}\" has not acknowledged in time", name));
    case SessionAnswer::RESULT_WINDOW_FULL:
      return ErrorWithReason(
          StatusCode::kResourceExhausted, "WINDOW_FULL",
          fmt::format("the client of session \"{}\" takes no more messages now", name));
    case SessionAnswer::RESULT_TOO_LARGE:
      return TooLarge(fmt::format("over what the client of session \"{}\" takes", name));
    case SessionAnswer::RESULT_TOO_MANY:
      return TooManyCalls();
    case SessionAnswer::RESULT_FOREIGN:
      return SessionNotFound(name);
    case SessionAnswer::RESULT_UNSUPPORTED:
      return ErrorWithReason(
          StatusCode::kUnimplemented, "CALL_UNSUPPORTED",
          fmt::format("the gateway of session \"{}\" is of an older release", name));
    default:
      return ErrorWithReason(StatusCode::kAborted, "SESSION_MOVED",
                             fmt::format("session \"{}\" went elsewhere meanwhile", name));
  }
  if (!mqtt::IsFailure(static_cast<mqtt::ReasonCode>(answer.reason_code()))) {
    return absl::OkStatus();
  }
  const std::string code = fmt::format("0x{:02x}", answer.reason_code());
  return WithDetail(
      ErrorWithReason(StatusCode::kFailedPrecondition, "MESSAGE_REFUSED",
                      fmt::format("the client of session \"{}\" refused it: {}", name, code)),
      "reason_code", code);
}

absl::Status WhyNoList(const absl::StatusOr<SessionAnswer>& answer) {
  if (!answer.ok()) {
    return ReasonOf(answer.status()) == "POD_UNREACHABLE" ? absl::OkStatus() : answer.status();
  }
  return answer->result() == SessionAnswer::RESULT_TOO_MANY ? TooManyCalls() : absl::OkStatus();
}

absl::Status PageTokenInvalid() {
  return ErrorWithReason(StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID",
                         "page_token: not one of ours, or of another list");
}

absl::StatusOr<internal::v1::ScanSessions::Kind> ToKind(
    session::v1::ListTopTalkersRequest::Order order) {
  switch (order) {
    case session::v1::ListTopTalkersRequest::ORDER_UNSPECIFIED:
    case session::v1::ListTopTalkersRequest::ORDER_MESSAGES:
      return internal::v1::ScanSessions::KIND_MOST_MESSAGES;
    case session::v1::ListTopTalkersRequest::ORDER_BYTES:
      return internal::v1::ScanSessions::KIND_MOST_BYTES;
    default:
      return FieldInvalid("order", "is none of ours");
  }
}

absl::StatusOr<uint32_t> ToPageSize(int32_t asked, const PageSizes& sizes) {
  if (asked < 0) return FieldInvalid("page_size", "is negative");
  if (asked == 0) return sizes.size_default;
  return std::min(static_cast<uint32_t>(asked), sizes.size_max);
}

}  // namespace homeport::gateway
