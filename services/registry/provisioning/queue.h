#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

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
// out. Bounded, for each client as well. Thread-safe.
class ProvisionQueue {
 public:
  enum class Entry : uint8_t {
    kTaken,
    kFull,
    kClientFull,  // as many requests of that session as may be are not answered yet
  };
  struct Limits {
    size_t jobs_max = 0;
    size_t client_jobs_max = 0;
  };

  explicit ProvisionQueue(const Limits& limits) : limits_(limits) {}

  // Moves from `job` only where it is taken.
  [[nodiscard]] Entry Push(ProvisionJob& job) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (jobs_.size() >= limits_.jobs_max) return Entry::kFull;
    size_t& open = open_[ClientOf(job)];
    if (open >= limits_.client_jobs_max) return Entry::kClientFull;
    ++open;
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
    const auto open = open_.find(ClientOf(job));
    if (--open->second == 0) open_.erase(open);
  }

 private:
  using Client = std::pair<std::string, uint64_t>;  // pod, session
  static Client ClientOf(const ProvisionJob& job) { return {job.pod, job.session}; }

  const Limits limits_;
  absl::Mutex mutex_;
  std::deque<ProvisionJob> jobs_ ABSL_GUARDED_BY(mutex_);
  std::map<Client, size_t> open_ ABSL_GUARDED_BY(mutex_);  // not answered yet
};

}  // namespace homeport::registry
