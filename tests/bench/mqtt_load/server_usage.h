#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::bench {

// "12,345": process ids of the servers under test.
[[nodiscard]] absl::StatusOr<std::vector<pid_t>> ParsePids(std::string_view list);

// What those processes have used, summed, from /proc; a process that is gone counts as zero.
[[nodiscard]] double CpuSeconds(const std::vector<pid_t>& pids);       // user and system
[[nodiscard]] uint64_t ResidentBytes(const std::vector<pid_t>& pids);  // Rss of smaps_rollup
[[nodiscard]] double OwnCpuSeconds();

}  // namespace homeport::bench
