#include "services/registry/core/device_state.h"

namespace homeport::registry {
namespace {

void MarkStored(ShadowState& shadow) {
  shadow.stored = shadow.stored || shadow.dirty;
  shadow.dirty = false;
}

}  // namespace

void ForgetChanges(DeviceState& device) {
  device.changed = false;
  device.newly_registered = false;
  device.dirty_presence = false;
  device.dirty_model = false;
  device.dirty_clients.clear();
  device.dirty_watchers.clear();
  MarkStored(device.classic);
  for (auto& [name, shadow] : device.named) MarkStored(shadow);
}

}  // namespace homeport::registry
