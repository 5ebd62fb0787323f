#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libs/metrics/health.h"
#include "libs/metrics/registry.h"
#include "libs/redis_blocking/client.h"
#include "libs/rpc/channel.h"
#include "services/gateway/config.h"
#include "services/gateway/identity/directory.h"
#include "services/gateway/shard.h"
#include "tests/support/private_servers.h"

namespace homeport::testing {

// A gateway's shard, with the settings of profile conformance, on its thread, and a Redis of its
// own that keeps nothing on disk. Its clients come over a unix socket.
class ScriptWorld {
 public:
  ScriptWorld();  // until the shard is ready
  ~ScriptWorld();
  ScriptWorld(const ScriptWorld&) = delete;
  ScriptWorld& operator=(const ScriptWorld&) = delete;

  [[nodiscard]] const std::string& address() const { return config_.mqtt_listen; }
  // Breaks the shard's connections to Redis, which it makes again.
  void BreakRedis();
  // No client is connected. Forgets in Redis what nobody will ask for, so that it does not grow.
  void Sweep();
  void ForgetRetained();

 private:
  TempFolder folder_;
  PrivateRedis redis_;
  redis_blocking::Client control_;
  gateway::GatewayConfig config_;
  metrics::Registry metrics_;
  metrics::Health health_;
  rpc::TokenFile token_;
  std::unique_ptr<gateway::Directory> directory_;
  std::unique_ptr<gateway::Shard> shard_;
};

}  // namespace homeport::testing
