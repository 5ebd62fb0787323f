#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// Rows whose time is over, at most `limit` of each. How many went.
[[nodiscard]] absl::StatusOr<size_t> PurgeAnswers(postgres::Connection& connection, int64_t hours,
                                                  int64_t limit);
[[nodiscard]] absl::StatusOr<size_t> PurgeAudit(postgres::Connection& connection, int64_t days,
                                                int64_t limit);
// Finished operations, with their failures.
[[nodiscard]] absl::StatusOr<size_t> PurgeOperations(postgres::Connection& connection, int64_t days,
                                                     int64_t limit);

// The same of exports, with what they hold.
[[nodiscard]] absl::StatusOr<size_t> PurgeExports(postgres::Connection& connection, int64_t days,
                                                  int64_t limit);
// What was last heard of pods, an hour after it counts no more (core/producers.h). Looks through
// the whole table.
[[nodiscard]] absl::StatusOr<size_t> PurgeProducers(postgres::Connection& connection,
                                                    int64_t limit);

}  // namespace homeport::registry
