#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/base/heartbeat.h"

namespace homeport::metrics {

// Whether this process should get traffic (ready) and whether it should be restarted (live). Ready
// when live and every named condition is met; a condition is unmet from its first Expect() or
// Unmet() until Met(). Live while every watched loop turns. Thread-safe.
class Health {
 public:
  // Declares a condition that start-up has yet to meet.
  void Expect(std::string_view condition) { Unmet(condition, "starting"); }
  void Met(std::string_view condition);
  void Unmet(std::string_view condition, std::string_view why);

  // A loop that has not turned for more than `stuck_ms_max` cannot recover by itself. Time counts
  // as far as it is watched: between two questions at most a third of the limit, so that a process
  // that stood still as a whole, and wakes up, is not taken for one whose loops are stuck. Both
  // references must outlive this, or ForgetLoops.
  void WatchLoop(std::string name, const Heartbeat& heartbeat, int64_t stuck_ms_max,
                 const Clock& clock);
  // The loops are about to end.
  void ForgetLoops();

  [[nodiscard]] bool ready() const;
  [[nodiscard]] bool live() const { return stuck_loops() == 0; }
  [[nodiscard]] size_t stuck_loops() const;
  // "ok\n", or one line "<condition>: <why>" for each condition that is unmet, and for each loop
  // that is stuck.
  [[nodiscard]] std::string ReadyText() const;
  [[nodiscard]] std::string LiveText() const;

 private:
  struct Loop {
    std::string name;
    const Heartbeat* heartbeat = nullptr;
    int64_t stuck_ms_max = 0;
    const Clock* clock = nullptr;
    uint64_t turns = 0;  // when it was last looked at
    MonoMs looked_at;
    int64_t still_ms = 0;
    [[nodiscard]] bool is_stuck() const { return still_ms > stuck_ms_max; }
  };
  void Look() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] std::string StuckText() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, std::string, std::less<>> unmet_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<Loop> loops_ ABSL_GUARDED_BY(mutex_);  // asking is what watches them
};

}  // namespace homeport::metrics
