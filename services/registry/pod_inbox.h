#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/clock.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/backoff.h"
#include "services/registry/core/stream_id.h"
#include "services/registry/registry_probe.h"

namespace homeport::registry {

// The answers that gRPC calls wait for, by correlation. Thread-safe.
class AnswerTable {
 public:
  AnswerTable();

  // Registers a caller, at most kWaitingMax at once: RESOURCE_EXHAUSTED. The result is its
  // correlation; Await must follow.
  [[nodiscard]] absl::StatusOr<uint64_t> Expect();
  // DEADLINE_EXCEEDED when none comes within `timeout_ms`.
  [[nodiscard]] absl::StatusOr<internal::v1::ApiAnswer> Await(uint64_t correlation,
                                                              int64_t timeout_ms);
  // False when nobody waits for it.
  [[nodiscard]] bool Deliver(const internal::v1::ApiAnswer& answer);

  static constexpr size_t kWaitingMax = 512;

 private:
  struct Waiter {
    bool answered = false;
    internal::v1::ApiAnswer answer;
  };
  absl::Mutex mutex_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, std::unique_ptr<Waiter>> waiting_ ABSL_GUARDED_BY(mutex_);
};

// Keeps this pod's lease in Redis and reads its inbox: answers to the requests that its gRPC calls
// appended to the uplink streams. A thread of its own.
class PodInbox {
 public:
  struct Options {
    std::string pod;
    int64_t lease_ms = 10'000;
    redis_blocking::ClientOptions redis;
  };
  PodInbox(Options options, AnswerTable& answers, const Clock& clock, ServiceProbe& probe);
  ~PodInbox();  // as Stop

  void Start();
  // Gives the lease up and removes the inbox.
  void Stop();

 private:
  void Run();
  [[nodiscard]] absl::Status Step();
  [[nodiscard]] absl::Status RenewLease();
  [[nodiscard]] absl::Status EnsureInbox();
  void Read(redis_blocking::ReplyView entries);

  const Options options_;
  AnswerTable& answers_;
  const Clock& clock_;
  ServiceProbe& probe_;
  redis_blocking::Client redis_;
  StreamId last_;
  bool inbox_made_ = false;
  MonoMs renew_at_;
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
