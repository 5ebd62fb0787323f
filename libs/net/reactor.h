#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/base/heartbeat.h"
#include "libs/net/fd.h"

namespace homeport::net {

// Receives readiness of one file descriptor, on the reactor's thread.
class IoHandler {
 public:
  // `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP bits.
  virtual void OnReady(uint32_t events) = 0;

 protected:
  ~IoHandler() = default;
};

using TimerId = uint64_t;  // 0 is never a timer

// One thread's event loop: epoll (level-triggered), timers of 1 ms, and messages from other
// threads. All methods are for the loop's own thread except Post and Stop, or before Run.
class Reactor {
 public:
  using Task = absl::AnyInvocable<void()>;

  // `clock` must outlive the reactor.
  explicit Reactor(const Clock& clock);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Watches `fd` until Remove, or until it is closed. `handler` must live until the end of the loop
  // iteration in which that happens: events already fetched for it may still be delivered, so a
  // handler whose fd is closed must ignore them.
  [[nodiscard]] absl::Status Add(int fd, uint32_t events, IoHandler* handler);
  void Modify(int fd, uint32_t events, IoHandler* handler);
  void Remove(int fd);

  // Runs `task` once, `delay_ms` from now.
  TimerId After(int64_t delay_ms, Task task);
  void Cancel(TimerId id);

  // Runs `task` at the end of the current iteration, before the loop sleeps.
  void Defer(Task task) { deferred_.push_back(std::move(task)); }

  // Thread-safe: runs `task` on the loop's thread. Tasks posted by one thread keep their order.
  void Post(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Loops until Stop, which is thread-safe; tasks posted before Stop still run.
  void Run();
  void Stop();

  // The time at which the current iteration woke up.
  [[nodiscard]] MonoMs now() const { return now_; }
  [[nodiscard]] WallMs wall() const { return wall_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  // Beats with each iteration, once a second at least. Thread-safe.
  [[nodiscard]] const Heartbeat& heartbeat() const { return heartbeat_; }

  // How long, in microseconds, an iteration of late keeps the loop from its sockets, as a moving
  // average over some eight iterations: the overload signal, blind to a single hiccup. Thread-safe.
  [[nodiscard]] int64_t lag_us() const { return lag_us_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] int TimeoutMs() const;
  void RunTimers();
  void RunDeferred();
  void RunPosted() ABSL_LOCKS_EXCLUDED(mutex_);
  void UpdateLag(int64_t busy_us);

  const Clock& clock_;
  Fd epoll_;
  Fd wake_;
  MonoMs now_;
  WallMs wall_;
  std::multimap<std::pair<int64_t, TimerId>, Task> timers_;  // by due time, then order of creation
  std::map<TimerId, int64_t> due_;
  TimerId last_timer_ = 0;
  std::vector<Task> deferred_;
  std::atomic<int64_t> lag_us_ = 0;
  Heartbeat heartbeat_;
  bool stop_ = false;

  absl::Mutex mutex_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::net
