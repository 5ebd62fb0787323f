#pragma once

#include <functional>
#include <string_view>

#include "absl/status/status.h"

namespace homeport::postgres {

inline constexpr std::string_view kLockTimeout = "LOCK_TIMEOUT";

// Runs `body` and turns what pqxx throws into a status: the only catch of pqxx in Homeport.
//   kUnavailable        the connection failed, the server is starting, stopping or out of
//                       resources, or did not answer in time; also a COMMIT whose outcome is
//                       unknown; with the reason kLockTimeout a lock that was not to be had in
//                       time, on a connection that is as good as before
//   kAborted            serialization failure, deadlock
//   kInvalidArgument    the data cannot be stored (SQLSTATE class 22)
//   kAlreadyExists      unique violation
//   kFailedPrecondition another integrity constraint (class 23)
//   kInternal           anything else: a bug in a statement
[[nodiscard]] absl::Status CatchSqlErrors(std::string_view what, const std::function<void()>& body);

}  // namespace homeport::postgres
