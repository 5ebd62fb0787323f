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

// Appends requests of gRPC callers to the uplink streams, where they take their place among the
// device's own messages. Thread-safe; one append at a time.
class UplinkProducer {
 public:
  UplinkProducer(std::string pod, uint32_t partitions, redis_blocking::ClientOptions redis,
                 ServiceProbe& probe);

  // Tries again, under the same sequence, while `timeout_ms` lasts: a repeat is dropped by the
  // consumer. UNAVAILABLE REDIS_UNAVAILABLE leaves open whether it was appended.
  [[nodiscard]] absl::Status Append(const internal::v1::UplinkMessage& message,
                                    int64_t timeout_ms);

 private:
  const std::string pod_;
  const uint32_t partitions_;
  ServiceProbe& probe_;
  absl::Mutex mutex_;
  redis_blocking::Client redis_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, uint64_t> sequences_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::registry
