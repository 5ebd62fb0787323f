#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/metrics/registry.h"

namespace homeport::gateway {

// Counts and logs the gRPC calls that end with an error. Thread-safe.
class ControlProbe {
 public:
  explicit ControlProbe(metrics::Registry& registry) : registry_(registry) {}

  // `method` is a fixed name. The log line carries the error's reason and text, never its request.
  void Refused(std::string_view method, const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  metrics::Registry& registry_;
  absl::Mutex mutex_;
  std::map<std::string, metrics::SharedCounter*, std::less<>> refusals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::gateway
