#include "libs/postgres/watchdog.h"

#include <sys/socket.h>

#include <algorithm>
#include <functional>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"

namespace homeport::postgres {

bool Watchdog::Earlier::operator()(const Watch* a, const Watch* b) const {
  if (a->deadline_us_ != b->deadline_us_) return a->deadline_us_ < b->deadline_us_;
  return std::less<>()(a, b);
}

Watchdog::Watch::Watch(Watchdog* watchdog, int socket, int64_t ms_max)
    : watchdog_(watchdog), socket_(socket), deadline_us_(MonotonicMicros() + ms_max * 1000) {
  if (watchdog_ == nullptr) return;
  absl::MutexLock lock(&watchdog_->mutex_);
  watchdog_->watches_.insert(this);
  // The deadline of a watch is behind the end of the thread's sleep as a rule: waking the thread
  // would cost every statement more than its watch.
  if (deadline_us_ < watchdog_->awake_us_) watchdog_->changed_.Signal();
}

Watchdog::Watch::~Watch() {
  if (watchdog_ == nullptr) return;
  absl::MutexLock lock(&watchdog_->mutex_);
  watchdog_->watches_.erase(this);
}

Watchdog::Watchdog() : thread_([this] { Run(); }) {}

Watchdog::~Watchdog() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.Signal();
  }
  thread_.join();
}

void Watchdog::Run() {
  constexpr int64_t kIdleUs = 1'000'000;
  absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    ShutOverdue();
    const int64_t now_us = MonotonicMicros();
    awake_us_ = watches_.empty() ? now_us + kIdleUs
                                 : std::min(now_us + kIdleUs, (*watches_.begin())->deadline_us_);
    changed_.WaitWithTimeout(&mutex_, absl::Microseconds(awake_us_ - now_us));
  }
}

// Under the lock: a watch that is gone by then may have closed its socket.
void Watchdog::ShutOverdue() {
  const int64_t now_us = MonotonicMicros();
  while (!watches_.empty() && (*watches_.begin())->deadline_us_ <= now_us) {
    log::Refusal("postgres_answer_overdue", {{"next", "the connection is given up"}});
    ::shutdown((*watches_.begin())->socket_, SHUT_RDWR);
    watches_.erase(watches_.begin());
  }
}

}  // namespace homeport::postgres
