#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace homeport::runtime {

// Waits for the end of the process: SIGTERM, SIGINT, or a part that asks for it. Make one, first
// thing in main, before any thread: it blocks the two signals for the threads made after it, and
// ignores SIGPIPE.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // From any thread: ends Wait() as a signal would. The first reason counts.
  void Request(std::string_view reason);

  // Blocks until stop is asked for; returns why: "SIGTERM", "SIGINT" or the reason requested.
  [[nodiscard]] std::string Wait();
  // True when stop was asked for within `timeout_ms`.
  [[nodiscard]] bool WaitFor(int64_t timeout_ms);

 private:
  void ReadSignal();

  const int signal_fd_;
  const int event_fd_;
  absl::Mutex mutex_;
  std::string reason_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::runtime
