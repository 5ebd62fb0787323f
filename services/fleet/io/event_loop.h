#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace homeport::fleet {

// One epoll and its timers: what thousands of simulated devices run on. Single-threaded: every call
// comes from the thread in Run().
class EventLoop {
 public:
  class Watcher {
   public:
    // `events` are epoll's. May come once after Unwatch(), when both fall into one round.
    virtual void OnReady(uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  // Names one pending timer; the default value names none.
  using TimerId = std::pair<int64_t, uint64_t>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // The watcher is borrowed until Unwatch() and the end of that round.
  void Watch(int fd, uint32_t events, Watcher* watcher) const;
  void Rewatch(int fd, uint32_t events, Watcher* watcher) const;
  void Unwatch(int fd) const;

  // Calls `action` once, `delay_us` from now() or a little later.
  TimerId After(int64_t delay_us, std::function<void()> action);
  // Harmless for a timer that fired. Sets `*id` to none.
  void Cancel(TimerId* id);

  // Runs until Stop().
  void Run();
  void Stop() { running_ = false; }

  // Sleeps this long before each look at the sockets, so that more of them have more to read: far
  // fewer system calls under load, for as much latency. 0: never.
  void set_pause_us(int64_t pause_us) { pause_us_ = pause_us; }

  // CLOCK_MONOTONIC in microseconds as of this round's wake-up.
  [[nodiscard]] int64_t now_us() const { return now_us_; }
  // Memory for one read, shared by all watchers; its content does not outlive a callback.
  [[nodiscard]] std::vector<char>& read_buffer() { return read_buffer_; }

 private:
  [[nodiscard]] int WaitMs() const;
  void FireTimers();

  const int epoll_fd_;
  bool running_ = false;
  int64_t now_us_;
  int64_t pause_us_ = 0;
  uint64_t next_timer_ = 1;
  std::map<TimerId, std::function<void()>> timers_;
  std::vector<char> read_buffer_;
};

}  // namespace homeport::fleet
