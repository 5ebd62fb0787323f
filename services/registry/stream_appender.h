#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/registry_probe.h"

namespace homeport::registry {

// What gRPC calls append to streams. Thread-safe; one append at a time. UNAVAILABLE
// REDIS_UNAVAILABLE leaves open whether the entry was appended.
class StreamAppender {
 public:
  StreamAppender(std::string pod, uint32_t partitions, redis_blocking::ClientOptions redis,
                 ServiceProbe& probe);

  // A request takes its place among the device's own messages. Tried again under the same
  // sequence while `timeout_ms` lasts: the consumer drops a repeat.
  [[nodiscard]] absl::Status AppendUplink(const internal::v1::UplinkMessage& message,
                                          int64_t timeout_ms);
  // To the inbox of a pod; nothing when the pod is gone.
  [[nodiscard]] absl::Status AppendInbox(const std::string& pod,
                                         const internal::v1::InboxItem& item);
  // Marks the device's session record: gateways refuse every claim while it is blocked.
  enum class Blocked : bool { kNo, kYes };
  [[nodiscard]] absl::Status SetBlocked(const std::string& device, Blocked blocked);

 private:
  const std::string pod_;
  const uint32_t partitions_;
  ServiceProbe& probe_;
  absl::Mutex mutex_;
  redis_blocking::Client redis_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, uint64_t> sequences_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::registry
