#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "homeport/internal/v1/envelope.pb.h"

namespace homeport::registry {

// A provisioning request on its way: who asked, and what.
struct ProvisionJob {
  std::string pod;
  uint64_t session = 0;
  uint64_t epoch = 0;
  std::string detail;  // "create", "create-from-csr", "<template>/provision"
  bool cbor = false;
  internal::v1::ProvisionRequest request;
};

// Requests between the workers, which commit that they were read, and the thread that carries them
// out. Bounded. Thread-safe.
class ProvisionQueue {
 public:
  enum class Entry : uint8_t {
    kTaken,
    kFull,
    kBusy,  // an earlier request of that session and topic is not answered yet
  };

  explicit ProvisionQueue(size_t jobs_max) : jobs_max_(jobs_max) {}

  [[nodiscard]] Entry Push(ProvisionJob job) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (jobs_.size() >= jobs_max_) return Entry::kFull;
    if (!open_.insert(KeyOf(job)).second) return Entry::kBusy;
    jobs_.push_back(std::move(job));
    return Entry::kTaken;
  }
  // Waits a little for one. Done must follow.
  [[nodiscard]] std::optional<ProvisionJob> Pop(int64_t wait_ms) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto has_job = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !jobs_.empty(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&has_job), absl::Milliseconds(wait_ms))) {
      return std::nullopt;
    }
    ProvisionJob job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }
  void Done(const ProvisionJob& job) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    open_.erase(KeyOf(job));
  }

 private:
  using Key = std::tuple<std::string, uint64_t, std::string, bool>;  // the format is of the topic
  static Key KeyOf(const ProvisionJob& job) { return {job.pod, job.session, job.detail, job.cbor}; }

  const size_t jobs_max_;
  absl::Mutex mutex_;
  std::deque<ProvisionJob> jobs_ ABSL_GUARDED_BY(mutex_);
  std::set<Key> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::registry
