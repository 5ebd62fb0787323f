#pragma once

#include <cstdint>

#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/config.h"
#include "services/gateway/probe.h"

namespace homeport::gateway {

// How many sessions this shard has more than the fleet's average: each shard writes its number to
// one hash in Redis, once in a lease, and learns the sum and count of those that are not older
// than three leases. Shard's thread only.
class FleetLoad {
 public:
  FleetLoad(net::Reactor& reactor, redis::Client& redis, const GatewayConfig& config,
            const PodId& pod, ShardProbe& probe)
      : reactor_(reactor), redis_(redis), config_(config), pod_(pod), probe_(probe) {}

  void Start();
  // The shard is no longer one of the fleet.
  void Leave();

  // MQTT sessions that are online here.
  [[nodiscard]] int64_t sessions() const { return probe_.sessions.value(); }
  // 0 where the shard is not beyond the average by the margin, or the fleet is not known.
  [[nodiscard]] int64_t excess() const;

 private:
  void Report();

  net::Reactor& reactor_;
  redis::Client& redis_;
  const GatewayConfig& config_;
  const PodId& pod_;
  ShardProbe& probe_;
  bool left_ = false;
  int64_t wanted_ = -1;  // sessions this shard is to keep; -1: as many as it has
};

// How many sessions a shard with `own` is to keep in a fleet of `pods` with `total`; -1 where it is
// not over the average by `margin_percent` and a few more.
[[nodiscard]] int64_t SessionsToKeep(int64_t own, int64_t total, int64_t pods,
                                     uint32_t margin_percent);

}  // namespace homeport::gateway
