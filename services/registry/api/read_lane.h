#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// Few threads that read from PostgreSQL for gRPC calls whose handlers do not wait: each has a
// connection of its own. A call costs no thread of the server, and no wait for a connection.
// Thread-safe.
class ReadLane {
 public:
  struct Options {
    postgres::ConnectOptions connect;
    uint32_t threads = 2;
    size_t waiting_max = 1000;  // jobs not begun
  };
  // What a job does with a connection; a second time when PostgreSQL broke under it. It is not
  // called when no connection can be had.
  using Read = std::function<absl::Status(postgres::Connection&)>;
  // Called once, behind it, on the same thread of the lane.
  using Done = std::function<void(const absl::Status& status)>;

  explicit ReadLane(Options options);
  ~ReadLane();  // as Stop()

  void Start();
  // Carries out what waits, then ends the threads. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // False, and the job is dropped, when `waiting_max` wait or the lane is stopped.
  [[nodiscard]] bool Submit(Read read, Done done) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Job {
    Read read;
    Done done;
  };
  class Reader;
  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_ || !jobs_.empty(); }

  const Options options_;
  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace homeport::registry
