#include "services/gateway/control/watch_stream.h"

#include <utility>

#include "libs/rpc/status_convert.h"
#include "services/gateway/control/control_convert.h"

namespace homeport::gateway {
namespace {

using control::v1::PropertyValue;
using control::v1::WatchEvent;

constexpr size_t kEventsMax = 256;

// The later change's values over the earlier one's.
void Merge(WatchEvent& earlier, WatchEvent later) {
  for (PropertyValue& value : *later.mutable_properties()) {
    PropertyValue* same = nullptr;
    for (PropertyValue& known : *earlier.mutable_properties()) {
      if (known.property().name() == value.property().name()) same = &known;
    }
    if (same == nullptr) same = earlier.add_properties();
    *same = std::move(value);
  }
  earlier.set_shadow_version(later.shadow_version());
  earlier.set_online(later.online());
  *earlier.mutable_event_time() = later.event_time();
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
      product && product->ok() && (**product)->model ? &*(**product)->model : nullptr;
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
      for (WatchEvent& waiting : events_) {
        if (waiting.name() != event.name() || !IsState(waiting) || !IsState(event)) continue;
        Merge(waiting, std::move(event));
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
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
  }
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
  }
  Finish(std::move(status));
}

void WatchStream::OnDone() {
  if (on_over_) on_over_(queue_);
  const std::shared_ptr<WatchStream> last = std::move(self_);
}

}  // namespace homeport::gateway
