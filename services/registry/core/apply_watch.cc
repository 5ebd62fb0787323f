#include <algorithm>
#include <string>
#include <utility>

#include "libs/json/print.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/publish.h"

// Which pods watch a device. A pod says so again before `watch_ms` has passed; one that went away
// just stops saying it.
namespace homeport::registry {
namespace {

auto FindWatcher(DeviceState& device, std::string_view pod) {
  return std::find_if(device.watchers.begin(), device.watchers.end(),
                      [&](const Watcher& watcher) { return watcher.pod == pod; });
}

void WatcherChanged(const ApplyContext& context, std::string pod) {
  DeviceState& device = context.device;
  context.effects.Changed(device);
  if (std::find(device.dirty_watchers.begin(), device.dirty_watchers.end(), pod) ==
      device.dirty_watchers.end()) {
    device.dirty_watchers.push_back(std::move(pod));
  }
}

void DropExpired(const ApplyContext& context) {
  auto& watchers = context.device.watchers;
  for (const Watcher& watcher : watchers) {
    if (watcher.expires_ms <= context.now_ms) WatcherChanged(context, watcher.pod);
  }
  std::erase_if(watchers, [&](const Watcher& w) { return w.expires_ms <= context.now_ms; });
}

}  // namespace

void ApplyWatchRenew(const ApplyContext& context) {
  DeviceState& device = context.device;
  DropExpired(context);
  auto watcher = FindWatcher(device, context.pod);
  if (watcher == device.watchers.end()) {
    if (device.watchers.size() >= context.limits.watchers_max) {
      return Refuse(context, Refusal::kTooManyWatchers, "too many pods watch the device");
    }
    watcher = device.watchers.insert(watcher, Watcher{std::string(context.pod), 0});
  }
  watcher->expires_ms = context.now_ms + context.limits.watch_ms;
  WatcherChanged(context, watcher->pod);
}

void ApplyWatch(const ApplyContext& context) {
  ApplyWatchRenew(context);
  internal::v1::DeviceChange snapshot;
  snapshot.set_kind(internal::v1::DeviceChange::KIND_SNAPSHOT);
  snapshot.set_time_ms(context.now_ms);
  json::Print(context.device.classic.document.reported.state, *snapshot.mutable_reported());
  TellWatcher(context, context.pod, std::move(snapshot));
}

void ApplyUnwatch(const ApplyContext& context) {
  DeviceState& device = context.device;
  const auto watcher = FindWatcher(device, context.pod);
  if (watcher == device.watchers.end()) return;
  device.watchers.erase(watcher);
  WatcherChanged(context, std::string(context.pod));
}

}  // namespace homeport::registry
