#include "services/registry/device_removal.h"

#include "libs/base/status.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {
namespace {

constexpr int64_t kChildrenPage = 100;
constexpr int64_t kAppendMs = 5'000;

absl::Status DetachChildren(postgres::Connection& connection, StreamAppender& appender,
                            const DeviceId& hub) {
  std::string after;
  for (;;) {
    HP_ASSIGN_OR_RETURN(const std::vector<std::string> children,
                        ListChildren(connection, hub, after, kChildrenPage));
    for (const std::string& child : children) {
      internal::v1::UplinkMessage message;
      message.set_kind(internal::v1::UplinkMessage::KIND_DETACH);
      message.set_device(child);
      message.set_detail(hub.str());
      HP_RETURN_IF_ERROR(appender.AppendUplink(message, kAppendMs));
    }
    if (children.size() < kChildrenPage) return absl::OkStatus();
    after = children.back();
  }
}

}  // namespace

absl::Status PrepareRemoval(postgres::Connection& connection, StreamAppender& appender,
                            const DeviceRow& device) {
  if (!device.deleted()) return absl::OkStatus();
  HP_RETURN_IF_ERROR(DetachChildren(connection, appender, DeviceId(device.id)));
  return PurgeHistory(connection, device.id);
}

}  // namespace homeport::registry
