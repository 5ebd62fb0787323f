#include "services/gateway/ownership/fleet_load.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kSlack = 5;  // sessions over the margin that no small fleet quarrels about
constexpr int64_t kLeases = 3;

// KEYS: the hash. ARGV: pod, its sessions, age in ms beyond which a pod is dead. Returns the sum of
// all sessions, and how many pods have them.
constexpr std::string_view kReportSource = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. now)
local all = redis.call('HGETALL', KEYS[1])
local total, pods = 0, 0
for i = 1, #all, 2 do
  local count, at = string.match(all[i + 1], '^(%d+) (%d+)$')
  if not at or now - tonumber(at) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[i])
  else
    total = total + tonumber(count)
    pods = pods + 1
  end
end
return {total, pods}
)lua";

const redis::Script& ReportScript() {
  static const redis::Script script(kReportSource);
  return script;
}

}  // namespace

int64_t SessionsToKeep(int64_t own, int64_t total, int64_t pods, uint32_t margin_percent) {
  if (pods < 2) return -1;
  const int64_t average = (total + pods - 1) / pods;
  if (own <= average * (100 + margin_percent) / 100 + kSlack) return -1;
  return average;
}

void FleetLoad::Start() {
  if (config_.shed_per_second == 0) return;
  Report();
  reactor_.After(config_.pod_lease_ms, [this] { Start(); });
}

void FleetLoad::Leave() {
  left_ = true;
  wanted_ = -1;
  if (config_.shed_per_second == 0) return;
  redis_.Send({"HDEL", routing::kLoadKey, pod_.str()}, [](const redis::Reply&) {});
}

void FleetLoad::Report() {
  if (left_) return;
  const int64_t own = sessions();
  redis_.Eval(ReportScript(),
              {"1", std::string(routing::kLoadKey), pod_.str(), std::to_string(own),
               std::to_string(kLeases * config_.pod_lease_ms)},
              [this, own](const redis::Reply& reply) {
                wanted_ = -1;
                if (left_ || !reply.ok() || reply.size() < 2) return;
                wanted_ = SessionsToKeep(own, reply[0].integer(), reply[1].integer(),
                                         config_.shed_margin_percent);
              });
}

int64_t FleetLoad::excess() const {
  return wanted_ < 0 ? 0 : std::max<int64_t>(sessions() - wanted_, 0);
}

}  // namespace homeport::gateway
