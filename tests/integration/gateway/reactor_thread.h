#pragma once

#include <future>
#include <thread>
#include <utility>

#include "libs/base/clock.h"
#include "libs/net/reactor.h"

namespace homeport::testing {

// A reactor that runs in a thread of its own until the object ends.
class ReactorThread {
 public:
  ReactorThread() : reactor_(SystemClock()), thread_([this] { reactor_.Run(); }) {}
  ~ReactorThread() { Stop(); }
  ReactorThread(const ReactorThread&) = delete;
  ReactorThread& operator=(const ReactorThread&) = delete;

  [[nodiscard]] net::Reactor& reactor() { return reactor_; }

  // Runs `task` on the reactor's thread and returns what it returns.
  template <typename Task>
  auto Do(Task task) -> decltype(task()) {
    std::packaged_task<decltype(task())()> packaged(std::move(task));
    auto result = packaged.get_future();
    reactor_.Post([packaged = std::move(packaged)]() mutable { packaged(); });
    return result.get();
  }

  // The thread ends: what it used may then be used, and destroyed, by the caller's.
  void Stop() {
    if (!thread_.joinable()) return;
    reactor_.Stop();
    thread_.join();
  }

 private:
  net::Reactor reactor_;
  std::thread thread_;
};

}  // namespace homeport::testing
