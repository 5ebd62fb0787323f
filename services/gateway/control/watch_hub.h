#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// One caller that watches devices. OnChange is called on the shard's thread; everything else of the
// implementation may be on other threads.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  enum class Taken { kQueued, kMerged, kDropped };
  virtual Taken OnChange(const internal::v1::DeviceChange& change) = 0;
  // One of its devices cannot be watched here: the whole call ends.
  virtual void OnRefused() = 0;
};

// Who watches which device on this shard. The registry is told of the first watcher, keeps sending
// changes to this shard's inbox while the watch is renewed, and answers each WATCH with a snapshot
// in the order of the device's changes, so a watcher sees no gap. Shard's thread only.
class WatchHub {
 public:
  explicit WatchHub(ShardContext& context) : c_(context) {}

  // Refuses the sink when watches_max devices are watched already.
  void Add(const std::string& device, std::shared_ptr<WatchSink> sink);
  void Remove(const std::string& device, const WatchSink* sink);
  void OnChange(const internal::v1::DeviceChange& change);

  // Every few seconds: renews watches, and asks again for snapshots that have not come.
  void Tick();

 private:
  struct Watcher {
    std::shared_ptr<WatchSink> sink;  // shared with the gRPC call, which may end first
    bool awaits_snapshot = true;
  };
  struct Device {
    std::vector<Watcher> watchers;
    MonoMs renewed;
  };
  void Tell(const std::string& device, routing::UplinkKind kind);

  ShardContext& c_;
  absl::flat_hash_map<std::string, Device> devices_;
};

}  // namespace homeport::gateway
