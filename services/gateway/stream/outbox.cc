#include "services/gateway/stream/outbox.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {

void Outbox::Add(const std::string& pod, internal::v1::InboxItem item) {
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
    redis_.Send(
        {"XADD", key, "NOMKSTREAM", "MAXLEN", "~", "100000", "*", routing::kBatchField, bytes},
        [this, key, items = batch.items_size()](const redis::Reply& reply) {
          if (reply.ok() && !reply.is_nil()) return;
          probe_.outbox_dropped.Add(static_cast<uint64_t>(items));
          log::Refusal("inbox_append_failed",
                       {{"stream", key},
                        {"items", items},
                        {"reason", reply.is_nil() ? "that pod is gone" : reply.error()}});
        });
  }
}

}  // namespace homeport::gateway
