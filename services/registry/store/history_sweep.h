#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// Products may keep history for fewer days than the deployment (product.history_days). Of a daily
// partition that is older than that their rows are deleted, block by block; the table history_sweep
// holds how far that has come, so that it goes on wherever it was broken off, on any pod.

struct SweepStep {
  std::string partition;  // "": nothing is due
  int64_t rows = 0;       // deleted
  bool finished = false;  // the partition holds no more that is due
};

// One statement: looks at no more than `blocks` blocks of one partition of `table`, of those that
// are due on the day `today`. Pods may do so at the same time: each does another part.
[[nodiscard]] absl::StatusOr<SweepStep> SweepHistory(postgres::Connection& connection,
                                                     std::string_view table, int64_t today,
                                                     int64_t blocks);

}  // namespace homeport::registry
