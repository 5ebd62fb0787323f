#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "libs/shadow/document.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/session_table.h"

namespace homeport::registry {

// The tables device and credential, and the shadows of one device, for the gRPC services. Errors
// carry the reasons DEVICE_NOT_FOUND, DEVICE_EXISTS, PRODUCT_NOT_FOUND.
struct DeviceRow {
  std::string id;
  std::string tenant;
  std::string product;
  bool disabled = false;
  bool online = false;
  int64_t presence_ms = 0;
  int64_t created_ms = 0;
  std::string secret_sha256;  // "" = none
};

[[nodiscard]] absl::StatusOr<DeviceRow> CreateDevice(postgres::Connection& connection,
                                                     const Actor& actor, const DeviceRow& row);
// Of any tenant.
[[nodiscard]] absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection,
                                                   const DeviceId& id);
[[nodiscard]] absl::StatusOr<DeviceRow> FindDevice(postgres::Connection& connection,
                                                   const TenantId& tenant, const DeviceId& id);
// Sorted by id, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<DeviceRow>> ListDevices(postgres::Connection& connection,
                                                                 const TenantId& tenant,
                                                                 const std::string& after,
                                                                 int64_t limit);
// Sets `disabled`.
[[nodiscard]] absl::StatusOr<DeviceRow> UpdateDevice(postgres::Connection& connection,
                                                     const Actor& actor, const DeviceRow& row);
[[nodiscard]] absl::Status SetSecret(postgres::Connection& connection, const Actor& actor,
                                     const DeviceRow& row);
// Removes the device with its credential, sessions and watches. Its shadows become tombstones: a
// device of the same id starts empty, but their versions go on. Returns the sessions it had.
[[nodiscard]] absl::StatusOr<std::vector<StoredSession>> DeleteDevice(
    postgres::Connection& connection, const Actor& actor, const DeviceRow& row, uint32_t partition);

// A shadow as last committed; a document that does not exist where there is none.
[[nodiscard]] absl::StatusOr<shadow::Document> FindShadow(postgres::Connection& connection,
                                                          const DeviceId& device,
                                                          std::string_view name);

struct NamedShadow {
  std::string name;
  int64_t version = 0;
};
// Those that exist, sorted by name, behind `after`; the classic shadow is not among them.
[[nodiscard]] absl::StatusOr<std::vector<NamedShadow>> ListNamedShadows(
    postgres::Connection& connection, const DeviceId& device, std::string_view after,
    int64_t limit);

}  // namespace homeport::registry
