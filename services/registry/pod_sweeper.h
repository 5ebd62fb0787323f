#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/backoff.h"
#include "services/registry/registry_probe.h"
#include "services/registry/shared_view.h"

namespace homeport::registry {

// Finds pods that died without closing their sessions: those that own sessions but have had no
// lease in Redis for a lease's time. It publishes them, for the workers to end the sessions; and,
// on one registry pod at a time, removes their session records and inboxes from Redis, and has the
// sessions whose clients have not come back told of (ended_sessions.h). A thread of its own.
class PodSweeper {
 public:
  struct Options {
    int64_t lease_ms = 10'000;
    postgres::ConnectOptions postgres;
    redis_blocking::ClientOptions redis;
  };
  PodSweeper(Options options, const Clock& clock, ServiceProbe& probe);
  ~PodSweeper();  // as Stop

  void Start();
  void Stop();

  [[nodiscard]] const PodView& dead_pods() const { return dead_pods_; }

 private:
  using Pods = std::set<std::string>;
  using Keys = std::vector<std::string>;

  void Run();
  [[nodiscard]] absl::Status Step();
  [[nodiscard]] absl::Status FindDeadPods();
  [[nodiscard]] absl::StatusOr<Pods> WithoutLease(const Pods& pods);
  [[nodiscard]] absl::StatusOr<bool> IsTheSweeper();
  // One walk over the keys of Redis: removes what belongs to `dead`, and remembers the pods of the
  // remaining records as suspects. Takes those that are back out of `dead`.
  [[nodiscard]] absl::Status SweepRedis(Pods& dead);
  [[nodiscard]] absl::Status LookAgain(Pods& dead);
  [[nodiscard]] absl::Status SweepSessions(const Keys& keys, const Pods& dead, Pods& others);
  [[nodiscard]] absl::Status DeleteRecords(const Keys& keys, const Pods& dead);
  [[nodiscard]] absl::Status SweepInboxes(const Keys& keys);

  const Options options_;
  const Clock& clock_;
  ServiceProbe& probe_;
  std::unique_ptr<postgres::Connection> postgres_;
  redis_blocking::Client redis_;
  std::map<std::string, MonoMs> missing_since_;
  Pods suspects_;  // seen in Redis, perhaps unknown to PostgreSQL
  Pods swept_;     // of the dead pods, those whose records are gone
  MonoMs walk_at_;
  MonoMs look_at_;  // during a walk
  bool is_the_sweeper_ = false;
  PodView dead_pods_;
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
