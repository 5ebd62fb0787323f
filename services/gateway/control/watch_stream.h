#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "homeport/control/v1/control.pb.h"
#include "services/gateway/control/watch_hub.h"
#include "services/gateway/identity/directory.h"

namespace homeport::gateway {

class WatchStream;

// The events of one Watch call on their way to its caller: fed by shards, drained by gRPC. Bounded:
// when the caller is slow, the changes of a device are merged into the one that waits already.
// Thread-safe.
class WatchQueue final : public WatchSink {
 public:
  WatchQueue(Directory& directory, std::string tenant, std::weak_ptr<WatchStream> reader)
      : directory_(directory), tenant_(std::move(tenant)), reader_(std::move(reader)) {}

  Taken OnChange(const internal::v1::DeviceChange& change) override;
  void OnRefused() override;
  // Wakes the reader if it waits. Events of the model and heartbeats are dropped when the queue is
  // full.
  Taken Push(control::v1::WatchEvent event) ABSL_LOCKS_EXCLUDED(mutex_);
  // Moves the next event into `out`. False when there is none: the reader then waits for a Push.
  [[nodiscard]] bool Pop(control::v1::WatchEvent* out) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Directory& directory_;
  const std::string tenant_;
  const std::weak_ptr<WatchStream> reader_;
  absl::Mutex mutex_;
  bool reader_waits_ ABSL_GUARDED_BY(mutex_) = true;
  std::deque<control::v1::WatchEvent> events_ ABSL_GUARDED_BY(mutex_);
};

// The gRPC side of one Watch call. Owns itself until the call is done; a shard that is just waking
// it keeps it a moment longer.
class WatchStream final : public grpc::ServerWriteReactor<control::v1::WatchEvent> {
 public:
  [[nodiscard]] static WatchStream* Make(Directory& directory, std::string tenant);

  // Runs when the call is over.
  using OnOver = absl::AnyInvocable<void(std::shared_ptr<WatchQueue>)>;

  [[nodiscard]] const std::shared_ptr<WatchQueue>& queue() const { return queue_; }
  // Exactly one of the two must be called: until then the stream outlives even a cancelled call.
  void Ready(OnOver on_over) ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call, at once or when it becomes ready. Later ends are ignored.
  void End(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  // Starts a write if none is under way and there is an event.
  void WriteNext() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  WatchStream() = default;

  std::shared_ptr<WatchStream> self_;  // until OnDone
  std::shared_ptr<WatchQueue> queue_;  // shared with the shards' hubs
  OnOver on_over_;
  absl::Mutex mutex_;
  control::v1::WatchEvent writing_event_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> early_end_ ABSL_GUARDED_BY(mutex_);  // came before Ready
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);        // came during a write
};

}  // namespace homeport::gateway
