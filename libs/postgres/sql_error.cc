#include "libs/postgres/sql_error.h"

#include <pqxx/pqxx>
#include <string>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/strings.h"

namespace homeport::postgres {
namespace {

constexpr std::string_view kLockNotAvailable = "55P03";

absl::StatusCode CodeOf(const std::string& sqlstate) {
  const std::string_view state = sqlstate;
  if (state == "23505") return absl::StatusCode::kAlreadyExists;
  const std::string_view family = state.substr(0, 2);
  if (state.empty()) return absl::StatusCode::kUnavailable;  // from libpq, not from the server
  if (family == "08" || family == "53" || family == "57" || family == "58" ||
      state == kLockNotAvailable || state == "25P03") {
    return absl::StatusCode::kUnavailable;
  }
  if (family == "40") return absl::StatusCode::kAborted;
  if (family == "22") return absl::StatusCode::kInvalidArgument;
  if (family == "23") return absl::StatusCode::kFailedPrecondition;
  return absl::StatusCode::kInternal;
}

// The first line only: DETAIL shows the values of the row, which belong into no log.
absl::Status Make(absl::StatusCode code, std::string_view what, std::string_view detail) {
  return absl::Status(code, fmt::format("{}: {}", what, detail.substr(0, detail.find('\n'))));
}

}  // namespace

absl::Status CatchSqlErrors(std::string_view what, const std::function<void()>& body) {
  try {
    body();
    return absl::OkStatus();
  } catch (const pqxx::sql_error& e) {
    absl::Status status = Make(CodeOf(e.sqlstate()), what, e.what());
    return e.sqlstate() == kLockNotAvailable ? WithReason(std::move(status), kLockTimeout) : status;
  } catch (const pqxx::transaction_rollback& e) {
    return Make(absl::StatusCode::kAborted, what, e.what());
  } catch (const pqxx::failure& e) {  // broken connection, outcome in doubt
    return Make(absl::StatusCode::kUnavailable, what, e.what());
  } catch (const std::exception& e) {
    return Make(absl::StatusCode::kInternal, what, e.what());
  }
}

}  // namespace homeport::postgres
