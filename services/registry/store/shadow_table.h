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

// A shadow with what is known of its device, by one statement.
struct DeviceShadow {
  std::string tenant;
  bool online = false;
  shadow::Document document;
};
// NOT_FOUND DEVICE_NOT_FOUND.
[[nodiscard]] absl::StatusOr<DeviceShadow> FindDeviceShadow(postgres::Connection& connection,
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
