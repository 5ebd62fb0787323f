#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/partition_table.h"

namespace homeport::registry {

// The table device_session, seen by pod.
struct StoredSession {
  std::string device;
  std::string client;
  std::string pod;
  uint64_t session = 0;
  uint64_t epoch = 0;
  uint32_t partition = 0;
};

// At most `limit` sessions of those pods in those partitions, of those that began before
// `since_before_ms` (Unix ms).
[[nodiscard]] absl::StatusOr<std::vector<StoredSession>> FindSessionsOf(
    postgres::Connection& connection, const std::set<std::string>& pods,
    const std::vector<PartitionKey>& partitions, int64_t since_before_ms, size_t limit);

// All sessions of one device.
[[nodiscard]] absl::StatusOr<std::vector<StoredSession>> FindSessionsOfDevice(
    postgres::Connection& connection, const std::string& device);

// Every pod that has a session. Costs one index probe for each pod.
[[nodiscard]] absl::StatusOr<std::set<std::string>> PodsWithSessions(
    postgres::Connection& connection);

}  // namespace homeport::registry
