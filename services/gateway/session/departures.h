#pragma once

#include <cstdint>
#include <random>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "services/gateway/ownership/fleet_load.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// `sessions` at a time, one time every `every_ms` at the soonest: never more than the rate.
struct Pace {
  int64_t sessions = 1;
  int64_t every_ms = 100;
};
// `per_second` shared by `shards`. REQUIRES: both are at least 1.
[[nodiscard]] Pace PaceOf(uint32_t per_second, uint32_t shards);

// Why a client is to go elsewhere, and where to: `otherwise` where no server reference is set.
[[nodiscard]] mqtt::ReasonCode Elsewhere(const GatewayConfig& config, mqtt::ReasonCode otherwise);

// Sends a shard's clients elsewhere, some at a time: all of them when the shard drains or has
// missed what was revoked, those that have been connected for long, and those by which it has more
// than its share of the fleet's. Each step waits for a random time beyond its pace, so that shards
// do not fall into step. Shard's thread only.
class Departures {
 public:
  Departures(ShardContext& context, FleetLoad& load) : c_(context), load_(load) {}

  // From here on old sessions and too many ones end.
  void Start();
  // Ends every session at `pace`, and what is left after `ms_max` at once; then calls `done`.
  // REQUIRES: no connection is accepted any more.
  void Drain(Pace pace, int64_t ms_max, absl::AnyInvocable<void()> done);
  // Ends the sessions that are online at `pace`: their clients come back and prove who they are.
  void Renew(Pace pace);

 private:
  void AgeLater();
  void Age();
  void ShedLater();
  void Shed();
  void DrainStep();
  void RenewStep();
  // `reason` is what the client is told where no other server is known.
  void End(Session& session, metrics::Counter& counter, mqtt::ReasonCode reason,
           std::string_view why);
  [[nodiscard]] int64_t Jittered(int64_t ms);

  ShardContext& c_;
  FleetLoad& load_;
  Pace pace_;  // of the drain
  Pace renew_pace_;
  bool renewing_ = false;
  absl::AnyInvocable<void()> drained_;
  int64_t drain_until_ms_ = 0;
  bool draining_ = false;
  bool cut_told_ = false;
  double visits_due_ = 0;  // of Age
  std::minstd_rand random_{std::random_device()()};
  uint32_t age_cursor_ = 0;
  uint32_t shed_cursor_ = 0;
  uint32_t drain_cursor_ = 0;
  uint32_t renew_cursor_ = 0;
};

}  // namespace homeport::gateway
