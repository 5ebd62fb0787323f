#include "services/registry/core/device_state.h"

#include <algorithm>

namespace homeport::registry {
namespace {

void MarkStored(ShadowState& shadow) {
  shadow.stored = shadow.stored || shadow.dirty;
  shadow.dirty = false;
}

}  // namespace

int64_t SeenGrainMs(const ChildState& child) {
  return std::clamp<int64_t>(child.silence_ms / 16, 500, 60'000);
}

void ForgetChanges(DeviceState& device) {
  device.changed = false;
  device.newly_registered = false;
  device.dirty_presence = false;
  device.dirty_model = false;
  device.named_model = false;
  device.dirty_topology = false;
  if (device.dirty_child && device.child != nullptr) {
    device.child->seen_stored_ms = device.child->seen_ms;
  }
  device.dirty_child = false;
  device.dirty_check = false;
  if (device.hub != nullptr) device.hub->dirty.clear();
  device.dirty_clients.clear();
  for (SessionRow& row : device.sessions) row.may_be_stored = true;
  device.dirty_watchers.clear();
  MarkStored(device.classic);
  for (auto& [name, shadow] : device.named) MarkStored(shadow);
}

}  // namespace homeport::registry
