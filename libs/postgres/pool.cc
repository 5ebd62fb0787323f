#include "libs/postgres/pool.h"

#include <utility>

#include "absl/time/time.h"

namespace homeport::postgres {

Pool::Pool(PoolOptions options) : options_(std::move(options)) {}

Pool::Lease::Lease(Pool* pool, std::unique_ptr<Connection> connection)
    : pool_(pool), connection_(std::move(connection)) {}

Pool::Lease::~Lease() {
  if (connection_) pool_->Return(std::move(connection_));
}

bool Pool::CanTake() const { return leased_ < options_.connections_max; }

absl::StatusOr<Pool::Lease> Pool::Acquire() {
  std::unique_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(this, &Pool::CanTake),
                                 absl::Milliseconds(options_.acquire_ms_max))) {
      return absl::UnavailableError("no database connection became free in time");
    }
    ++leased_;
    while (!connection && !idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->WasClosed()) connection.reset();  // the server has restarted since
    }
  }
  if (!connection) {
    auto opened = Connection::Open(options_.connect);
    if (!opened.ok()) {
      Return(nullptr);
      return opened.status();
    }
    connection = std::move(opened).value();
  }
  return Lease(this, std::move(connection));
}

void Pool::Return(std::unique_ptr<Connection> connection) {
  absl::MutexLock lock(&mutex_);
  --leased_;
  if (connection && connection->broken()) {
    // Its siblings were most likely lost to the same restart: do not let each fail one call.
    idle_.clear();
    return;
  }
  if (connection) idle_.push_back(std::move(connection));
}

}  // namespace homeport::postgres
