#include "libs/net/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::net {
namespace {

constexpr int kEventsMax = 256;
constexpr int kSleepMsMax = 1000;
constexpr int64_t kLagWeight = 8;

}  // namespace

Reactor::Reactor(const Clock& clock)
    : clock_(clock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      now_(clock.Now()),
      wall_(clock.Wall()) {
  HP_CHECK(epoll_.valid() && wake_.valid());
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  HP_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0);
}

absl::Status Reactor::Add(int fd, uint32_t events, IoHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return absl::ResourceExhaustedError(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  }
  return absl::OkStatus();
}

void Reactor::Modify(int fd, uint32_t events, IoHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  HP_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Reactor::Remove(int fd) {
  HP_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
}

TimerId Reactor::After(int64_t delay_ms, Task task) {
  const TimerId id = ++last_timer_;
  const int64_t due = (clock_.Now() + std::max<int64_t>(delay_ms, 0)).value;
  timers_.emplace(std::pair(due, id), std::move(task));
  due_.emplace(id, due);
  return id;
}

void Reactor::Cancel(TimerId id) {
  const auto due = due_.find(id);
  if (due == due_.end()) return;
  timers_.erase(std::pair(due->second, id));
  due_.erase(due);
}

void Reactor::Post(Task task) {
  bool wake = false;
  {
    absl::MutexLock lock(&mutex_);
    wake = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (!wake) return;
  const uint64_t one = 1;
  HP_CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one || errno == EAGAIN);
}

void Reactor::Stop() {
  Post([this] { stop_ = true; });
}

void Reactor::Run() {
  epoll_event events[kEventsMax];
  while (!stop_) {
    RunDeferred();
    const int count = ::epoll_wait(epoll_.get(), events, kEventsMax, TimeoutMs());
    HP_CHECK(count >= 0 || errno == EINTR);
    heartbeat_.Beat();
    const int64_t woke_us = MonotonicMicros();
    now_ = clock_.Now();
    wall_ = clock_.Wall();
    RunTimers();
    bool posted = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        posted = true;
      } else {
        static_cast<IoHandler*>(events[i].data.ptr)->OnReady(events[i].events);
      }
    }
    if (posted) RunPosted();
    RunDeferred();
    UpdateLag(MonotonicMicros() - woke_us);
  }
}

int Reactor::TimeoutMs() const {
  if (timers_.empty()) return kSleepMsMax;
  const int64_t wait = timers_.begin()->first.first - clock_.Now().value;
  return static_cast<int>(std::clamp<int64_t>(wait, 0, kSleepMsMax));
}

void Reactor::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_.value) {
    auto timer = timers_.extract(timers_.begin());
    due_.erase(timer.key().second);
    timer.mapped()();
  }
}

// Deferred tasks may defer again; those run in the same call.
void Reactor::RunDeferred() {
  while (!deferred_.empty()) {
    std::vector<Task> tasks;
    tasks.swap(deferred_);
    for (Task& task : tasks) task();
  }
}

void Reactor::RunPosted() {
  uint64_t count = 0;
  HP_CHECK(::read(wake_.get(), &count, sizeof count) == sizeof count || errno == EAGAIN);
  std::vector<Task> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) task();
}

void Reactor::UpdateLag(int64_t busy_us) {
  const int64_t lag = lag_us_.load(std::memory_order_relaxed);
  lag_us_.store(lag + (busy_us - lag) / kLagWeight, std::memory_order_relaxed);
}

}  // namespace homeport::net
