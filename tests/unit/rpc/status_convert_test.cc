#include "libs/rpc/status_convert.h"

#include <catch2/catch.hpp>

#include "google/rpc/status.pb.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"

namespace homeport::rpc {
namespace {

TEST_CASE("error details make the round trip") {
  const grpc::Status status =
      MakeError(grpc::StatusCode::INVALID_ARGUMENT, "MODEL_VIOLATION", "two values refused",
                {{"product", "p"}, {"count", "2"}},
                {{"properties[0].value", "above 100"}, {"properties[3]", "unknown"}});
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message() == "two values refused");
  const ErrorDetails details = DetailsOf(status);
  CHECK(details.reason == "MODEL_VIOLATION");
  CHECK(details.metadata == ErrorMetadata{{"product", "p"}, {"count", "2"}});
  REQUIRE(details.violations.size() == 2);
  CHECK(details.violations[1].field == "properties[3]");
  CHECK(details.violations[1].description == "unknown");
}

TEST_CASE("the details are google.rpc.Status as other clients read it") {
  const grpc::Status status = MakeError(grpc::StatusCode::NOT_FOUND, "DEVICE_NOT_FOUND", "gone");
  google::rpc::Status decoded;
  REQUIRE(decoded.ParseFromString(status.error_details()));
  CHECK(decoded.code() == 5);
  CHECK(decoded.message() == "gone");
  REQUIRE(decoded.details_size() == 1);
  CHECK(decoded.details(0).type_url() == "type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  REQUIRE(decoded.details(0).UnpackTo(&info));
  CHECK(info.domain() == "homeport");
}

TEST_CASE("a field error names the field") {
  const grpc::Status status = ToGrpc(FieldInvalid("page_size", "must not be negative"));
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  const ErrorDetails details = DetailsOf(status);
  CHECK(details.reason == "FIELD_INVALID");
  REQUIRE(details.violations.size() == 1);
  CHECK(details.violations[0].field == "page_size");
}

TEST_CASE("absl statuses keep code, message and reason, both ways") {
  struct Row {
    absl::Status status;
    grpc::StatusCode code;
    const char* reason;
  };
  const Row rows[] = {
      {ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH", "stale"),
       grpc::StatusCode::ABORTED, "ETAG_MISMATCH"},
      {absl::UnavailableError("no redis"), grpc::StatusCode::UNAVAILABLE, "UNAVAILABLE"},
      {absl::UnauthenticatedError("who"), grpc::StatusCode::UNAUTHENTICATED, "UNAUTHENTICATED"},
  };
  for (const Row& row : rows) {
    INFO(row.status);
    const grpc::Status converted = ToGrpc(row.status);
    CHECK(converted.error_code() == row.code);
    CHECK(DetailsOf(converted).reason == row.reason);
    const absl::Status back = FromGrpc(converted);
    CHECK(back.code() == row.status.code());
    CHECK(Message(back) == Message(row.status));
    CHECK(ReasonOf(back) == row.reason);
  }
  CHECK(ToGrpc(absl::OkStatus()).ok());
  CHECK(FromGrpc(grpc::Status::OK).ok());
}

TEST_CASE("statuses without details, or with foreign ones, have no reason") {
  CHECK(DetailsOf({grpc::StatusCode::INTERNAL, "x"}).reason.empty());
  CHECK(DetailsOf({grpc::StatusCode::INTERNAL, "x", "not a protobuf"}).reason.empty());
  CHECK(ReasonOf(FromGrpc({grpc::StatusCode::INTERNAL, "x"})).empty());
}

}  // namespace
}  // namespace homeport::rpc
