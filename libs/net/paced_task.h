#pragma once

#include <cstdint>
#include <utility>

#include "libs/net/reactor.h"

namespace homeport::net {

// One task for all who want it: it runs at the end of the loop's current iteration, but no sooner
// than `window_ms` after it ran last. Who wants it seldom does not wait; who want it often share a
// run. Reactor's thread only; outlives its last wish.
class PacedTask {
 public:
  PacedTask(Reactor& reactor, int64_t window_ms, Reactor::Task task)
      : reactor_(reactor), window_ms_(window_ms), task_(std::move(task)) {}
  PacedTask(const PacedTask&) = delete;
  PacedTask& operator=(const PacedTask&) = delete;

  void Want() {
    if (std::exchange(wanted_, true)) return;
    const int64_t wait_ms = window_ms_ - (reactor_.now() - ran_);
    if (wait_ms <= 0) {
      reactor_.Defer([this] { Run(); });
    } else {
      reactor_.After(wait_ms, [this] { Run(); });
    }
  }

 private:
  void Run() {
    wanted_ = false;
    ran_ = reactor_.now();
    task_();
  }

  Reactor& reactor_;
  const int64_t window_ms_;
  Reactor::Task task_;
  MonoMs ran_;
  bool wanted_ = false;
};

}  // namespace homeport::net
