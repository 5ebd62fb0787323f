#include "services/gateway/identity/newcomers.h"

#include <algorithm>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/hash.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "services/gateway/shard.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kWaitMsMax = 3'000;
constexpr int64_t kPauseMsMin = 20;
constexpr int64_t kPauseMsMax = 320;

}  // namespace

struct Newcomers::Wait {
  Shard& shard;
  std::string device;
  Directory::OnDevice done;
  int64_t until_us = 0;
  int64_t pause_ms = kPauseMsMin;
};

void Newcomers::Fetch(std::string device, int64_t wait_ms, Directory::OnDevice done) {
  Shard& shard = *shards_[Hash64(device) % shards_.size()];
  const int64_t until_us = MonotonicMicros() + std::min(wait_ms, kWaitMsMax) * 1000;
  Ask(std::make_shared<Wait>(Wait{shard, std::move(device), std::move(done), until_us}));
}

void Newcomers::Ask(std::shared_ptr<Wait> wait) {
  std::string device = wait->device;
  directory_.FetchDevice(std::move(device), [this, wait](absl::StatusOr<Directory::Device> found) {
    if (found.ok()) return wait->done(std::move(found));
    if (absl::IsNotFound(found.status())) return LookForSession(wait);
    wait->done(ErrorWithReason(absl::StatusCode::kUnavailable, "REGISTRY_UNAVAILABLE",
                               Message(found.status())));
  });
}

void Newcomers::LookForSession(std::shared_ptr<Wait> wait) {
  wait->shard.Post([this, wait] {
    wait->shard.ownership().Locate(wait->device, [this, wait](auto location) {
      if (!location.ok()) return wait->done(WithReason(location.status(), "REDIS_UNAVAILABLE"));
      if (!location->has_value()) {
        return wait->done(absl::NotFoundError("no such device, and no session of it"));
      }
      if (MonotonicMicros() + wait->pause_ms * 1000 > wait->until_us) {
        return wait->done(ErrorWithReason(
            absl::StatusCode::kUnavailable, "DEVICE_REGISTERING",
            fmt::format("device {} is connected, and about to be registered", wait->device)));
      }
      wait->shard.After(wait->pause_ms, [this, wait] { Ask(wait); });
      wait->pause_ms = std::min(2 * wait->pause_ms, kPauseMsMax);
    });
  });
}

}  // namespace homeport::gateway
