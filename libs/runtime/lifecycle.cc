#include "libs/runtime/lifecycle.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"

namespace homeport::runtime {
namespace {

// Ends the process when it lives longer than it was given.
class Watchdog {
 public:
  Watchdog(const std::string& step, int64_t ms) : thread_([this, step, ms] { Watch(step, ms); }) {}
  ~Watchdog() {
    {
      absl::MutexLock lock(&mutex_);
      done_ = true;
    }
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void Watch(const std::string& step, int64_t ms) {
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&done_), absl::Milliseconds(ms))) return;
    log::Error("stop_overran", {{"step", step}, {"ms", ms}});
    std::_Exit(EXIT_FAILURE);
  }

  absl::Mutex mutex_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

void Lifecycle::Add(Step step) { steps_.push_back(std::move(step)); }

absl::Status Lifecycle::Start() {
  for (; started_ < steps_.size(); ++started_) {
    const Step& step = steps_[started_];
    if (!step.start) continue;
    const MonoMs begin = SystemClock().Now();
    if (const absl::Status status = step.start(); !status.ok()) {
      log::Error("start_failed", {{"step", step.name}, {"error", status}});
      Stop();
      return {status.code(), fmt::format("{}: {}", step.name, Message(status))};
    }
    log::Info("started", {{"step", step.name}, {"ms", SystemClock().Now() - begin}});
  }
  return absl::OkStatus();
}

void Lifecycle::Stop() {
  while (started_ > 0) {
    const Step& step = steps_[--started_];
    if (!step.stop) continue;
    const MonoMs begin = SystemClock().Now();
    {
      const Watchdog watchdog(step.name, step.stop_ms_max);
      step.stop();
    }
    log::Info("stopped", {{"step", step.name}, {"ms", SystemClock().Now() - begin}});
  }
}

}  // namespace homeport::runtime
