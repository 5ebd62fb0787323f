#pragma once

#include <string_view>

#include "services/registry/store/device_table.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

// What goes before the row of a device that is deleted, and outside the transaction that removes
// it, as it may take long: its children lose their hub, its history goes in parts. Does nothing to
// a device that is not deleted; may be repeated. Blocks. Any thread.
[[nodiscard]] absl::Status PrepareRemoval(postgres::Connection& connection,
                                          StreamAppender& appender, const DeviceRow& device);

}  // namespace homeport::registry
