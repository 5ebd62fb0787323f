#include "services/gateway/stream/outbox.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr size_t kBytesMax = 16 << 20;

}  // namespace

void Outbox::Add(const std::string& pod, internal::v1::InboxItem item) {
  const size_t bytes = item.ByteSizeLong();
  if (bytes_ + bytes > kBytesMax) {
    return Drop(routing::InboxKey(pod), 1, "Redis answers too slowly");
  }
  bytes_ += bytes;
  internal::v1::InboxBatch& batch = batches_[pod];
  batch.set_version(1);
  *batch.add_items() = std::move(item);
  if (std::exchange(scheduled_, true)) return;
  reactor_.Defer([this] { Flush(); });
}

void Outbox::Flush() {
  scheduled_ = false;
  for (const auto& [pod, batch] : std::exchange(batches_, {})) {
    const std::string key = routing::InboxKey(pod);
    const std::string bytes = batch.SerializeAsString();
    size_t counted = 0;
    for (const internal::v1::InboxItem& item : batch.items()) counted += item.ByteSizeLong();
    redis_.Send(
        {"XADD", key, "NOMKSTREAM", "MAXLEN", "~", "100000", "*", routing::kBatchField, bytes},
        [this, key, counted, items = batch.items_size()](const redis::Reply& reply) {
          bytes_ -= counted;
          if (reply.ok() && !reply.is_nil()) return;
          Drop(key, items, reply.is_nil() ? "that pod is gone" : reply.error());
        });
  }
}

void Outbox::Drop(const std::string& key, int items, std::string_view reason) {
  probe_.outbox_dropped.Add(static_cast<uint64_t>(items));
  log::Refusal("inbox_append_failed", {{"stream", key}, {"items", items}, {"reason", reason}});
}

}  // namespace homeport::gateway
