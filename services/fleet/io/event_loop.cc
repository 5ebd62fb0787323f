#include "services/fleet/io/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "libs/base/check.h"
#include "libs/base/clock.h"

namespace homeport::fleet {
namespace {

constexpr size_t kReadBufferBytes = 64 * 1024;
constexpr int kEventsPerRound = 256;
constexpr int kWaitMsMax = 1000;

}  // namespace

EventLoop::EventLoop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      now_us_(MonotonicMicros()),
      read_buffer_(kReadBufferBytes) {
  HP_CHECK(epoll_fd_ >= 0);
}

EventLoop::~EventLoop() { close(epoll_fd_); }

void EventLoop::Watch(int fd, uint32_t events, Watcher* watcher) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watcher;
  HP_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0);
}

void EventLoop::Rewatch(int fd, uint32_t events, Watcher* watcher) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watcher;
  HP_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void EventLoop::Unwatch(int fd) const {
  HP_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr) == 0);
}

EventLoop::TimerId EventLoop::After(int64_t delay_us, std::function<void()> action) {
  const TimerId id{now_us_ + delay_us, next_timer_++};
  timers_.emplace(id, std::move(action));
  return id;
}

void EventLoop::Cancel(TimerId* id) {
  timers_.erase(*id);
  *id = TimerId();
}

int EventLoop::WaitMs() const {
  if (timers_.empty()) return kWaitMsMax;
  const int64_t wait_us = timers_.begin()->first.first - MonotonicMicros();
  const int64_t wait_ms = (wait_us + 999) / 1000;
  return static_cast<int>(std::clamp<int64_t>(wait_ms, 0, kWaitMsMax));
}

void EventLoop::FireTimers() {
  // Timers set by timers wait for the next round, so that a loop of them cannot starve input.
  const TimerId last{now_us_, next_timer_ - 1};
  while (running_ && !timers_.empty() && timers_.begin()->first <= last) {
    auto timer = timers_.extract(timers_.begin());
    timer.mapped()();
  }
}

void EventLoop::Run() {
  running_ = true;
  std::array<epoll_event, kEventsPerRound> events;
  while (running_) {
    if (pause_us_ > 0) usleep(static_cast<useconds_t>(pause_us_));
    const int count = epoll_wait(epoll_fd_, events.data(), kEventsPerRound, WaitMs());
    HP_CHECK(count >= 0 || errno == EINTR);
    now_us_ = MonotonicMicros();
    for (int i = 0; i < count && running_; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      static_cast<Watcher*>(event.data.ptr)->OnReady(event.events);
    }
    FireTimers();
  }
}

}  // namespace homeport::fleet
