#pragma once

#include "absl/functional/any_invocable.h"
#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/probe.h"

namespace homeport::gateway {

// The lease that tells everyone that this shard lives: one key, renewed at a third of its life.
// Shard's thread only.
class Lease {
 public:
  struct Options {
    PodId pod;
    int64_t lease_ms = 10'000;
  };
  // `on_lapsed`: the key was gone when it was renewed, so others may have taken this shard for
  // dead.
  Lease(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, Options options,
        absl::AnyInvocable<void()> on_lapsed);

  void Start();
  // Gives the lease up: what is left under this pod id may be swept.
  void Stop();
  void OnConnected();
  // Others may take this pod for dead, or have done so without its knowledge.
  [[nodiscard]] bool is_doubtful() const {
    return reactor_.now() - renewed_ > options_.lease_ms || reactor_.now() < lapse_over_;
  }

 private:
  void Renew();

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  Options options_;
  absl::AnyInvocable<void()> on_lapsed_;
  bool ever_held_ = false;
  bool stopped_ = false;
  MonoMs renewed_;     // when that was asked for which Redis has done
  MonoMs lapse_over_;  // what was done meanwhile is known by then
  net::TimerId timer_ = 0;
};

}  // namespace homeport::gateway
