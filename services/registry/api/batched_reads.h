#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/status.h"
#include "services/registry/api/read_lane.h"

namespace homeport::registry {

struct BatchLimits {
  size_t batch_max = 64;       // reads of one statement
  size_t waiting_max = 1'000;  // reads that no statement has taken yet
};

// Reads of one kind for gRPC calls: those that wait at the same time are carried out by one
// statement. Nothing is kept: every read sees what was committed before it was asked for.
// Thread-safe.
template <typename Key, typename Found>
class BatchedReads {
 public:
  // Reads what is behind each of the keys, in their order.
  using Load = std::function<absl::StatusOr<std::vector<absl::StatusOr<Found>>>(
      postgres::Connection&, const std::vector<Key>&)>;
  // Called once, on a thread of the lane.
  using Done = std::function<void(const absl::StatusOr<Found>& found)>;

  // The lane is borrowed.
  BatchedReads(ReadLane& lane, BatchLimits limits, Load load)
      : lane_(lane), limits_(limits), load_(std::move(load)) {}

  // False, and `done` is not called, when too much waits.
  [[nodiscard]] bool Find(Key key, Done done) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (waiting_.size() >= limits_.waiting_max) return false;
    // There is a job for each `batch_max` that wait: who comes first asks for it, others go along.
    if (waiting_.size() % limits_.batch_max == 0 && !SubmitBatch()) return false;
    waiting_.push_back({std::move(key), std::move(done)});
    return true;
  }

 private:
  struct Read {
    Key key;
    Done done;
  };
  struct Batch {
    bool taken = false;
    std::vector<Key> keys;
    std::vector<Done> done;
    std::vector<absl::StatusOr<Found>> found;
  };

  bool SubmitBatch() {
    // Shared by the two functions of the job.
    const auto batch = std::make_shared<Batch>();
    return lane_.Submit(
        [this, batch](postgres::Connection& connection) -> absl::Status {
          TakeInto(*batch);
          if (batch->keys.empty()) return absl::OkStatus();
          HP_ASSIGN_OR_RETURN(batch->found, load_(connection, batch->keys));
          return absl::OkStatus();
        },
        [this, batch](const absl::Status& status) {
          TakeInto(*batch);
          if (!status.ok()) batch->found.assign(batch->done.size(), status);
          for (size_t i = 0; i < batch->done.size(); ++i) batch->done[i](batch->found[i]);
        });
  }

  void TakeInto(Batch& batch) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (std::exchange(batch.taken, true)) return;
    absl::MutexLock lock(&mutex_);
    const size_t count = std::min(waiting_.size(), limits_.batch_max);
    for (size_t i = 0; i < count; ++i) {
      batch.keys.push_back(std::move(waiting_[i].key));
      batch.done.push_back(std::move(waiting_[i].done));
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  }

  ReadLane& lane_;
  const BatchLimits limits_;
  const Load load_;
  absl::Mutex mutex_;
  std::vector<Read> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::registry
