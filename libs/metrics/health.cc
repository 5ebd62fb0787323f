#include "libs/metrics/health.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"

namespace homeport::metrics {

void Health::Met(std::string_view condition) {
  absl::MutexLock lock(&mutex_);
  const auto found = unmet_.find(condition);
  if (found == unmet_.end()) return;
  unmet_.erase(found);
  log::Info("condition_met", {{"condition", condition}});
}

void Health::Unmet(std::string_view condition, std::string_view why) {
  absl::MutexLock lock(&mutex_);
  const auto [place, is_new] = unmet_.insert_or_assign(std::string(condition), std::string(why));
  if (is_new) log::Info("condition_unmet", {{"condition", condition}, {"why", why}});
}

void Health::WatchLoop(std::string name, const Heartbeat& heartbeat, int64_t stuck_ms_max,
                       const Clock& clock) {
  absl::MutexLock lock(&mutex_);
  Loop loop;
  loop.name = std::move(name);
  loop.heartbeat = &heartbeat;
  loop.stuck_ms_max = stuck_ms_max;
  loop.clock = &clock;
  loop.turns = heartbeat.turns();
  loop.looked_at = clock.Now();
  loops_.push_back(std::move(loop));
}

void Health::ForgetLoops() {
  absl::MutexLock lock(&mutex_);
  loops_.clear();
}

void Health::Look() const {
  constexpr int64_t kLooks = 3;
  for (Loop& loop : loops_) {
    const MonoMs now = loop.clock->Now();
    const int64_t passed_ms = now - std::exchange(loop.looked_at, now);
    const uint64_t turns = loop.heartbeat->turns();
    const bool was_stuck = loop.is_stuck();
    if (std::exchange(loop.turns, turns) != turns) {
      loop.still_ms = 0;
      if (was_stuck) log::Info("loop_turns_again", {{"loop", loop.name}});
      continue;
    }
    loop.still_ms += std::min(passed_ms, loop.stuck_ms_max / kLooks);
    if (!was_stuck && loop.is_stuck()) {
      log::Error("loop_stuck", {{"loop", loop.name},
                                {"limit", "loop_stuck_ms_max"},
                                {"ms", loop.still_ms},
                                {"next", "this process asks to be restarted"}});
    }
  }
}

std::string Health::StuckText() const {
  std::string text;
  for (const Loop& loop : loops_) {
    if (!loop.is_stuck()) continue;
    text += fmt::format("{}: has not turned for {} ms\n", loop.name, loop.still_ms);
  }
  return text;
}

size_t Health::stuck_loops() const {
  absl::MutexLock lock(&mutex_);
  Look();
  return static_cast<size_t>(std::count_if(loops_.begin(), loops_.end(),
                                           [](const Loop& loop) { return loop.is_stuck(); }));
}

bool Health::ready() const {
  if (!live()) return false;
  absl::MutexLock lock(&mutex_);
  return unmet_.empty();
}

std::string Health::ReadyText() const {
  absl::MutexLock lock(&mutex_);
  std::string text = StuckText();
  for (const auto& [condition, why] : unmet_) text += fmt::format("{}: {}\n", condition, why);
  return text.empty() ? "ok\n" : text;
}

std::string Health::LiveText() const {
  absl::MutexLock lock(&mutex_);
  const std::string text = StuckText();
  return text.empty() ? "ok\n" : text;
}

}  // namespace homeport::metrics
