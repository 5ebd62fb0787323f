#include "services/gateway/control/watch_hub.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"

namespace homeport::gateway {
namespace {

using internal::v1::DeviceChange;

constexpr int64_t kRenewMs = 300'000;

}  // namespace

void WatchHub::Tell(const std::string& device, routing::UplinkKind kind) {
  routing::Uplink message;
  message.kind = kind;
  message.device = device;
  message.received_ms = c_.reactor.wall().value;
  c_.uplink.Append(message, {});
}

void WatchHub::Add(const std::string& device, std::shared_ptr<WatchSink> sink) {
  if (devices_.size() >= c_.config.watches_max && !devices_.contains(device)) {
    c_.probe.Refuse("watches_max");
    log::Refusal("watch_refused", {{"device", device}, {"limit", "watches_max"}});
    return sink->OnRefused();
  }
  Device& entry = devices_[device];
  entry.watchers.push_back({std::move(sink), true});
  entry.renewed = c_.reactor.now();
  c_.probe.watches.Set(static_cast<int64_t>(devices_.size()));
  Tell(device, routing::UplinkKind::kWatch);
}

void WatchHub::Remove(const std::string& device, const WatchSink* sink) {
  const auto found = devices_.find(device);
  if (found == devices_.end()) return;
  std::erase_if(found->second.watchers,
                [sink](const Watcher& watcher) { return watcher.sink.get() == sink; });
  if (!found->second.watchers.empty()) return;
  devices_.erase(found);
  c_.probe.watches.Set(static_cast<int64_t>(devices_.size()));
  Tell(device, routing::UplinkKind::kUnwatch);
}

void WatchHub::OnChange(const DeviceChange& change) {
  const auto found = devices_.find(change.device());
  if (found == devices_.end()) {
    c_.probe.stale_epochs.Increment();
    return;
  }
  for (Watcher& watcher : found->second.watchers) {
    const bool snapshot = change.kind() == DeviceChange::KIND_SNAPSHOT;
    if (snapshot != watcher.awaits_snapshot) continue;
    watcher.awaits_snapshot = false;
    c_.probe.watch_events.Increment();
    switch (watcher.sink->OnChange(change)) {
      case WatchSink::Taken::kQueued:
        break;
      case WatchSink::Taken::kMerged:
        c_.probe.watch_coalesced.Increment();
        break;
      case WatchSink::Taken::kDropped:
        c_.probe.Refuse("watch_event_dropped");
        log::Refusal("watch_event_dropped",
                     {{"device", change.device()}, {"reason", "the watcher reads too slowly"}});
    }
  }
}

void WatchHub::Tick() {
  for (auto& [device, entry] : devices_) {
    const bool awaits = std::any_of(entry.watchers.begin(), entry.watchers.end(),
                                    [](const Watcher& watcher) { return watcher.awaits_snapshot; });
    if (awaits) {
      Tell(device, routing::UplinkKind::kWatch);
    } else if (c_.reactor.now() - entry.renewed >= kRenewMs) {
      entry.renewed = c_.reactor.now();
      Tell(device, routing::UplinkKind::kWatchRenew);
    }
  }
}

}  // namespace homeport::gateway
