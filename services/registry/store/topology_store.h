#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/device_state.h"
#include "services/registry/core/effects.h"
#include "services/registry/store/partition_table.h"

// The tables device_child, hub_child and presence_check.
namespace homeport::registry {

// What remains to be read of devices that are children or hubs. REQUIRES: `child->hub` is set in
// the children, and `hub` in the hubs.
[[nodiscard]] absl::Status LoadTopology(postgres::Transaction& transaction,
                                        const std::vector<DeviceState*>& children,
                                        const std::vector<DeviceState*>& hubs);

// Writes what is dirty of both, and the checks that are due.
[[nodiscard]] absl::Status WriteTopology(postgres::Transaction& transaction,
                                         const Effects& effects);

struct DueCheck {
  std::string device;
  uint32_t partition = 0;
};
// At most `limit` checks of those partitions that are due, the oldest first.
[[nodiscard]] absl::StatusOr<std::vector<DueCheck>> FindDueChecks(
    postgres::Connection& connection, const std::vector<PartitionKey>& partitions, int64_t now_ms,
    size_t limit);

// For the gRPC services: of a hub, sorted, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ListChildren(
    postgres::Connection& connection, const DeviceId& hub, const std::string& after, int64_t limit);

struct StoredPresence {
  std::string tenant;
  std::string product;
  bool online = false;
  int64_t presence_ms = 0;
  uint64_t epoch = 0;
  std::string hub;
  std::string link;
  int64_t silence_ms = 0;
  int64_t seen_ms = 0;
  int64_t model_version = 0;  // which the device says it runs; 0: nothing said
  int64_t caught_up_ms = 0;   // when the device's partition was last known to be consumed
};
// kNotFound, DEVICE_NOT_FOUND: there is no such device.
[[nodiscard]] absl::StatusOr<StoredPresence> FindPresence(postgres::Connection& connection,
                                                          const DeviceId& device,
                                                          uint32_t partition);

}  // namespace homeport::registry
