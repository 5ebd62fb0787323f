#include "libs/rpc/status_convert.h"

#include "google/rpc/status.pb.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"

namespace homeport::rpc {
namespace {

constexpr const char* kDomain = "homeport";

}  // namespace

grpc::Status MakeError(grpc::StatusCode code, std::string_view reason, std::string_view message,
                       const ErrorMetadata& metadata,
                       const std::vector<FieldViolation>& violations) {
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(std::string(message));
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(kDomain);
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  details.add_details()->PackFrom(info);
  if (!violations.empty()) {
    google::rpc::BadRequest bad_request;
    for (const FieldViolation& violation : violations) {
      auto* const added = bad_request.add_field_violations();
      added->set_field(violation.field);
      added->set_description(violation.description);
    }
    details.add_details()->PackFrom(bad_request);
  }
  return {code, std::string(message), details.SerializeAsString()};
}

grpc::Status FieldError(std::string_view field, std::string_view description) {
  return MakeError(grpc::StatusCode::INVALID_ARGUMENT, "FIELD_INVALID",
                   fmt::format("{}: {}", field, description), {{"field", std::string(field)}},
                   {{std::string(field), std::string(description)}});
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  return MakeError(static_cast<grpc::StatusCode>(status.code()), reason, Message(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const std::string reason = DetailsOf(status).reason;
  return reason.empty() ? result : WithReason(std::move(result), reason);
}

ErrorDetails DetailsOf(const grpc::Status& status) {
  ErrorDetails result;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&info) && info.domain() == kDomain) {
      result.reason = info.reason();
      result.metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (any.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) {
        result.violations.push_back({violation.field(), violation.description()});
      }
    }
  }
  return result;
}

}  // namespace homeport::rpc
