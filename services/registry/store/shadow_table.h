#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "libs/shadow/document.h"

namespace homeport::registry {

// Shadows of one device, as last committed, for the gRPC services.

// A document that does not exist where there is none.
[[nodiscard]] absl::StatusOr<shadow::Document> FindShadow(postgres::Connection& connection,
                                                          const DeviceId& device,
                                                          std::string_view name);

struct ShadowKey {
  DeviceId device;
  std::string name;
  uint32_t partition = 0;  // of the device
};

// A shadow with what is known of its device.
struct DeviceShadow {
  std::string tenant;  // "" where no such device is registered: anonymous clients' are not
  bool online = false;
  int64_t caught_up_ms = 0;  // when the partition was last known to be consumed
  shadow::Document document;
};
// Each of the keys, in their order, by one statement.
[[nodiscard]] absl::StatusOr<std::vector<absl::StatusOr<DeviceShadow>>> FindDeviceShadows(
    postgres::Connection& connection, const std::vector<ShadowKey>& keys);

struct NamedShadow {
  std::string name;
  int64_t version = 0;
};
// Those that exist, sorted by name, behind `after`; the classic shadow is not among them.
[[nodiscard]] absl::StatusOr<std::vector<NamedShadow>> ListNamedShadows(
    postgres::Connection& connection, const DeviceId& device, std::string_view after,
    int64_t limit);

}  // namespace homeport::registry
