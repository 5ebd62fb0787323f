#pragma once

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/postgres/connection.h"

namespace homeport::postgres {

struct PoolOptions {
  ConnectOptions connect;
  size_t connections_max = 8;
  int64_t acquire_ms_max = 2'000;
};

// At most connections_max connections, opened when first needed. Thread-safe. Outlives its leases.
class Pool {
 public:
  explicit Pool(PoolOptions options);

  // Exclusive use of a connection until destroyed. A broken connection is not taken back.
  class Lease {
   public:
    Lease(Pool* pool, std::unique_ptr<Connection> connection);
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection& operator*() { return *connection_; }
    Connection* operator->() { return connection_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  // What the server has closed meanwhile is replaced. kUnavailable: none became free in time, or
  // none could be opened.
  [[nodiscard]] absl::StatusOr<Lease> Acquire();

 private:
  void Return(std::unique_ptr<Connection> connection);
  bool CanTake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PoolOptions options_;
  absl::Mutex mutex_;
  size_t leased_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::postgres
