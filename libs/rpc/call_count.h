#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace homeport::rpc {

// Counts the calls of a server that are under way; those of health checking and reflection, which
// may last as long as their channels, are not work to wait for. Thread-safe.
class CallCount {
 public:
  void Begin();
  void End();
  // False when some were still under way after so long.
  [[nodiscard]] bool AwaitNone(int64_t ms_max) const;

 private:
  mutable absl::Mutex mutex_;
  int64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

// For the builder of a server: every call is counted until it is answered. `count` is borrowed and
// must outlive the server.
[[nodiscard]] std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
MakeCallCounter(CallCount& count);

}  // namespace homeport::rpc
