#include "libs/rpc/status_convert.h"

#include "google/rpc/status.pb.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"

namespace homeport::rpc {
namespace {

constexpr const char* kDomain = "homeport";
// Metadata that is told in a detail of its own, too.
constexpr const char* kQuotaSubject = "quota_subject";

ErrorMetadata MetadataOf(const absl::Status& status) {
  ErrorMetadata metadata;
  status.ForEachPayload([&metadata](absl::string_view url, const absl::Cord& value) {
    const std::string_view name(url.data(), url.size());
    if (!name.starts_with(kDetailPayload)) return;
    metadata.emplace(name.substr(kDetailPayload.size()), std::string(value));
  });
  return metadata;
}

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
  if (const auto subject = metadata.find(kQuotaSubject); subject != metadata.end()) {
    google::rpc::QuotaFailure quota;
    auto* const added = quota.add_violations();
    added->set_subject(subject->second);
    added->set_description(std::string(message));
    details.add_details()->PackFrom(quota);
  }
  return {code, std::string(message), details.SerializeAsString()};
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  const ErrorMetadata metadata = MetadataOf(status);
  std::vector<FieldViolation> violations;
  if (const auto field = metadata.find("field"); field != metadata.end()) {
    const std::string message = Message(status);
    const std::string prefix = field->second + ": ";  // as FieldInvalid has it
    violations.push_back(
        {field->second, message.starts_with(prefix) ? message.substr(prefix.size()) : message});
  }
  return MakeError(static_cast<grpc::StatusCode>(status.code()), reason, Message(status), metadata,
                   violations);
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
