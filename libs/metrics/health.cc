#include "libs/metrics/health.h"

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

void Health::Dead(std::string_view why) {
  absl::MutexLock lock(&mutex_);
  if (dead_.empty()) log::Error("dead", {{"why", why}});
  dead_ = why;
}

bool Health::ready() const {
  absl::MutexLock lock(&mutex_);
  return unmet_.empty() && dead_.empty();
}

bool Health::live() const {
  absl::MutexLock lock(&mutex_);
  return dead_.empty();
}

std::string Health::ReadyText() const {
  absl::MutexLock lock(&mutex_);
  std::string text = dead_.empty() ? "" : fmt::format("dead: {}\n", dead_);
  for (const auto& [condition, why] : unmet_) text += fmt::format("{}: {}\n", condition, why);
  return text.empty() ? "ok\n" : text;
}

std::string Health::LiveText() const {
  absl::MutexLock lock(&mutex_);
  return dead_.empty() ? "ok\n" : fmt::format("dead: {}\n", dead_);
}

}  // namespace homeport::metrics
