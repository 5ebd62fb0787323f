#pragma once

#include <cstdint>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace homeport::postgres {

// Bounds the waits of blocking connections. libpq waits for an answer as long as the server's
// socket is open, which a frozen server's is for ever; at its deadline a watched socket is shut
// down, and the wait ends as if the server had closed it. One thread of its own; thread-safe.
class Watchdog {
 public:
  Watchdog();
  ~Watchdog();  // REQUIRES: nothing is watched
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Watches a socket for as long as it lives. `watchdog` may be null: then nothing is bounded.
  class Watch {
   public:
    Watch(Watchdog* watchdog, int socket, int64_t ms_max);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    friend class Watchdog;
    Watchdog* const watchdog_;
    const int socket_;
    const int64_t deadline_us_;
  };

 private:
  struct Earlier {
    bool operator()(const Watch* a, const Watch* b) const;
  };
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void ShutOverdue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::set<Watch*, Earlier> watches_ ABSL_GUARDED_BY(mutex_);
  int64_t awake_us_ ABSL_GUARDED_BY(mutex_) = 0;  // when the thread looks again by itself
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace homeport::postgres
