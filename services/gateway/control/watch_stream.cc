#include "services/gateway/control/watch_stream.h"

#include <algorithm>
#include <utility>

#include "libs/rpc/status_convert.h"
#include "services/gateway/control/control_convert.h"

namespace homeport::gateway {
namespace {

using control::v1::PropertyValue;
using control::v1::WatchEvent;

constexpr size_t kEventsMax = 256;

// The later state over the earlier one. What has properties stays what it is when only presence
// comes after it.
void Merge(WatchEvent& earlier, WatchEvent later) {
  if (later.kind() == WatchEvent::KIND_SNAPSHOT) {
    earlier = std::move(later);
  } else {
    for (PropertyValue& value : *later.mutable_properties()) {
      PropertyValue* same = nullptr;
      for (PropertyValue& known : *earlier.mutable_properties()) {
        if (known.property().name() == value.property().name()) same = &known;
      }
      if (same == nullptr) same = earlier.add_properties();
      *same = std::move(value);
    }
    if (earlier.kind() == WatchEvent::KIND_PRESENCE) earlier.set_kind(later.kind());
    earlier.set_shadow_version(later.shadow_version());
    earlier.set_online(later.online());
    *earlier.mutable_event_time() = later.event_time();
  }
  earlier.set_coalesced(true);
}

bool IsState(const WatchEvent& event) {
  return event.kind() == WatchEvent::KIND_CHANGE || event.kind() == WatchEvent::KIND_SNAPSHOT ||
         event.kind() == WatchEvent::KIND_PRESENCE;
}

}  // namespace

WatchSink::Taken WatchQueue::OnChange(const internal::v1::DeviceChange& change) {
  const auto product = directory_.CachedProduct(change.product());
  const model::Model* model =
      product && product->ok() ? (**product)->ModelOf(change.model_version()) : nullptr;
  return Push(ToEvent(change, tenant_, model));
}

void WatchQueue::OnRefused() {
  if (const std::shared_ptr<WatchStream> reader = reader_.lock()) {
    reader->End(rpc::MakeError(grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES",
                               "this gateway watches as many devices as it may; try another"));
  }
}

WatchSink::Taken WatchQueue::Push(WatchEvent event) {
  {
    absl::MutexLock lock(&mutex_);
    if (events_.size() >= kEventsMax) {
      // Into the last one, or the device's versions would go back.
      const auto last =
          std::find_if(events_.rbegin(), events_.rend(), [&](const WatchEvent& waiting) {
            return waiting.name() == event.name() && IsState(waiting);
          });
      if (IsState(event) && last != events_.rend()) {
        Merge(*last, std::move(event));
        return Taken::kMerged;
      }
      if (!IsState(event)) return Taken::kDropped;
    }
    events_.push_back(std::move(event));
    if (!std::exchange(reader_waits_, false)) return Taken::kQueued;
  }
  if (const std::shared_ptr<WatchStream> reader = reader_.lock()) reader->WriteNext();
  return Taken::kQueued;
}

bool WatchQueue::Pop(WatchEvent* out) {
  absl::MutexLock lock(&mutex_);
  reader_waits_ = events_.empty();
  if (events_.empty()) return false;
  *out = std::move(events_.front());
  events_.pop_front();
  return true;
}

WatchStream* WatchStream::Make(Directory& directory, std::string tenant) {
  std::shared_ptr<WatchStream> stream(new WatchStream);
  stream->queue_ = std::make_shared<WatchQueue>(directory, std::move(tenant), stream);
  stream->self_ = stream;
  return stream.get();
}

void WatchStream::Fail(grpc::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    ready_ = true;
  }
  End(std::move(status));
}

void WatchStream::Ready(OnOver on_over) {
  std::optional<grpc::Status> early_end;
  {
    absl::MutexLock lock(&mutex_);
    on_over_ = std::move(on_over);
    ready_ = true;
    early_end = std::move(early_end_);
  }
  if (early_end) End(*std::move(early_end));
}

void WatchStream::WriteNext() {
  {
    absl::MutexLock lock(&mutex_);
    if (writing_ || finished_) return;
    if (!queue_->Pop(&writing_event_)) return;
    writing_ = true;
  }
  StartWrite(&writing_event_);
}

void WatchStream::OnWriteDone(bool ok) {
  std::optional<grpc::Status> end;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    end = std::move(end_);
  }
  if (end) return Finish(*std::move(end));
  if (!ok) return End(grpc::Status::CANCELLED);
  WriteNext();
}

void WatchStream::OnCancel() { End(grpc::Status::CANCELLED); }

void WatchStream::End(grpc::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ready_) {
      early_end_ = std::move(status);
      return;
    }
    if (std::exchange(finished_, true)) return;
    if (writing_) {
      // The write may not even have started; gRPC may free the call once it is finished.
      end_ = std::move(status);
      return;
    }
  }
  Finish(std::move(status));
}

void WatchStream::OnDone() {
  if (on_over_) on_over_(queue_);
  const std::shared_ptr<WatchStream> last = std::move(self_);
}

}  // namespace homeport::gateway
