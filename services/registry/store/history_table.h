#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// The tables of history, as daily partitions. A day is counted from 1970-01-01, UTC; its
// partition is "<table>_<yyyymmdd>".
inline constexpr std::array<std::string_view, 3> kHistoryTables = {"telemetry", "event",
                                                                   "property_sample"};
inline constexpr int64_t kDayMs = 86'400'000;

[[nodiscard]] std::string HistoryDayName(std::string_view table, int64_t day);

// Makes the partition of a day where there is none, and moves into it what the default partition
// holds of that day. Whether there was none. Readers and writers of other days are not held up.
[[nodiscard]] absl::StatusOr<bool> MakeHistoryDay(postgres::Connection& connection,
                                                  std::string_view table, int64_t day);

struct HistoryDropped {
  size_t days = 0;
  int64_t rows = 0;  // as PostgreSQL's statistics count the rows of the partitions
};
// Drops what was received before a day: partitions, and rows of the default one.
[[nodiscard]] absl::StatusOr<HistoryDropped> DropHistoryBefore(postgres::Connection& connection,
                                                               std::string_view table, int64_t day);

// Rows of the default partition; counted up to 10,000.
[[nodiscard]] absl::StatusOr<int64_t> HistoryDefaultRows(postgres::Connection& connection,
                                                         std::string_view table);

}  // namespace homeport::registry
