#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Errors on the wire: every one carries google.rpc.Status with an ErrorInfo (domain "homeport").
namespace homeport::rpc {

using ErrorMetadata = std::map<std::string, std::string>;

struct FieldViolation {
  std::string field;  // path within the request: "properties[2].value"
  std::string description;
};

[[nodiscard]] grpc::Status MakeError(grpc::StatusCode code, std::string_view reason,
                                     std::string_view message, const ErrorMetadata& metadata = {},
                                     const std::vector<FieldViolation>& violations = {});

// The codes of absl and gRPC are the same numbers. The reason is the status's own
// (libs/base/reason.h), else the name of the code ("UNAVAILABLE"); its details are the metadata,
// and a field is a violation of the BadRequest, too.
[[nodiscard]] grpc::Status ToGrpc(const absl::Status& status);
// Keeps the reason of an ErrorInfo.
[[nodiscard]] absl::Status FromGrpc(const grpc::Status& status);

// What a client reads out of an error; empty where it carries no ErrorInfo of Homeport.
struct ErrorDetails {
  std::string reason;
  ErrorMetadata metadata;
  std::vector<FieldViolation> violations;
};
[[nodiscard]] ErrorDetails DetailsOf(const grpc::Status& status);

}  // namespace homeport::rpc
