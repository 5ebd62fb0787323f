#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <optional>
#include <string>
#include <string_view>

#include "libs/base/status.h"
#include "services/registry/api/call.h"
#include "services/registry/store/request_answer.h"

namespace homeport::registry {

[[nodiscard]] inline Actor ActorOf(const auth::Claims& claims) {
  return {claims.tenant, claims.subject};
}

// Equal for equal messages.
[[nodiscard]] inline std::string SerializeExactly(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  (void)message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// The key under which the request's answer is kept; nothing where it has no request_id.
template <typename Request>
absl::StatusOr<std::optional<RequestKey>> KeyOf(const Actor& actor, std::string_view method,
                                                const Request& request) {
  if (request.request_id().empty()) return std::optional<RequestKey>();
  return MakeRequestKey(actor, request.request_id(), method, SerializeExactly(request));
}

// Whether the same request was answered before, as `response` then says.
template <typename Response>
absl::StatusOr<bool> WasAnswered(postgres::Connection& connection,
                                 const std::optional<RequestKey>& key, Response& response) {
  if (!key.has_value()) return false;
  HP_ASSIGN_OR_RETURN(const std::optional<std::string> answer, FindAnswer(connection, *key));
  return answer.has_value() && response.ParseFromString(*answer);
}

// A change by the API, in one transaction: `body(transaction, response)` makes it and fills the
// response. With a request_id, the same request gets the first one's answer and `body` is not
// called (or what it did is undone). What follows a commit (Redis) must be safe to repeat: it is
// for requests that are repeated.
template <typename Request, typename Response, typename Body>
absl::Status Change(postgres::Connection& connection, const Actor& actor, std::string_view method,
                    const Request& request, Response& response, Body body) {
  HP_ASSIGN_OR_RETURN(const std::optional<RequestKey> key, KeyOf(actor, method, request));
  HP_ASSIGN_OR_RETURN(const bool answered, WasAnswered(connection, key, response));
  if (answered) return absl::OkStatus();
  absl::Status status;
  {
    postgres::Transaction transaction(connection);
    status = body(transaction, response);
    if (status.ok() && key.has_value()) {
      status = StoreAnswer(transaction, *key, response.SerializeAsString());
    }
    if (status.ok()) return transaction.Commit();
  }
  // A twin of the request may have been faster: then this one failed on what the twin did.
  HP_ASSIGN_OR_RETURN(const bool answered_meanwhile, WasAnswered(connection, key, response));
  return answered_meanwhile ? absl::OkStatus() : status;
}

}  // namespace homeport::registry
