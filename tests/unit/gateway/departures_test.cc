#include "services/gateway/session/departures.h"

#include <catch2/catch.hpp>

namespace homeport::gateway {
namespace {

TEST_CASE("a pace is never above the rate, and hardly below") {
  for (const uint32_t per_second : {1u, 3u, 7u, 10u, 35u, 500u, 999u, 100'000u}) {
    for (const uint32_t shards : {1u, 2u, 3u, 16u}) {
      INFO(per_second << " by " << shards);
      const Pace pace = PaceOf(per_second, shards);
      const double rate =
          1000.0 * static_cast<double>(pace.sessions * shards) / static_cast<double>(pace.every_ms);
      CHECK(rate <= per_second);
      CHECK(rate >= per_second * 0.95);
    }
  }
}

struct KeepCase {
  const char* name;
  int64_t own, total, pods, keep;
};

TEST_CASE("a shard sheds down to the average once it is over it by the margin and a few more") {
  const KeepCase cases[] = {
      {"alone", 1000, 1000, 1, -1},
      {"nobody knows", 1000, 0, 0, -1},
      {"a new pod has joined", 1000, 1000, 2, 500},
      {"at the average", 500, 1000, 2, -1},
      {"within the margin", 555, 1000, 2, -1},
      {"beyond it", 556, 1000, 2, 500},
      {"a small fleet does not quarrel", 7, 7, 4, -1},
      {"below the average", 10, 1000, 2, -1},
  };
  for (const KeepCase& c : cases) {
    INFO(c.name);
    CHECK(SessionsToKeep(c.own, c.total, c.pods, 10) == c.keep);
  }
}

TEST_CASE("clients are told to go where the setting says") {
  GatewayConfig config;
  CHECK(Elsewhere(config, mqtt::ReasonCode::kServerBusy) == mqtt::ReasonCode::kServerBusy);
  config.server_reference = "mqtt.example.com:8883";
  CHECK(Elsewhere(config, mqtt::ReasonCode::kServerBusy) == mqtt::ReasonCode::kUseAnotherServer);
  config.server_moved = true;
  CHECK(Elsewhere(config, mqtt::ReasonCode::kServerBusy) == mqtt::ReasonCode::kServerMoved);
}

}  // namespace
}  // namespace homeport::gateway
