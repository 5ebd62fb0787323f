#include "services/gateway/stream/outbox.h"

#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr size_t kBytesMax = 16 << 20;
constexpr int64_t kRepeatMs = 100;

// Its size stays.
std::vector<internal::v1::InboxItem> TakeKicks(internal::v1::InboxBatch& batch) {
  std::vector<internal::v1::InboxItem> kicks;
  for (internal::v1::InboxItem& item : *batch.mutable_items()) {
    if (item.has_kick()) kicks.push_back(std::move(item));
  }
  return kicks;
}

}  // namespace

void Outbox::Add(const std::string& pod, internal::v1::InboxItem item) {
  const size_t bytes = item.ByteSizeLong();
  if (!item.has_kick() && bytes_ + bytes > kBytesMax) {
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
  for (auto& [pod, batch] : std::exchange(batches_, {})) {
    const std::string key = routing::InboxKey(pod);
    const std::string bytes = batch.SerializeAsString();
    size_t counted = 0;
    for (const internal::v1::InboxItem& item : batch.items()) counted += item.ByteSizeLong();
    redis_.Send(
        {"XADD", key, "NOMKSTREAM", "MAXLEN", "~", "100000", "*", routing::kBatchField, bytes},
        [this, pod = pod, counted, batch = std::move(batch)](const redis::Reply& reply) mutable {
          bytes_ -= counted;
          if (reply.ok() && !reply.is_nil()) return;
          const bool is_gone = reply.ok();
          auto kicks = TakeKicks(batch);
          const int others = batch.items_size() - static_cast<int>(kicks.size());
          if (others > 0) {
            Drop(routing::InboxKey(pod), others, is_gone ? "that pod is gone" : reply.error());
          }
          if (!is_gone) Repeat(pod, std::move(kicks), reply.lost());
        });
  }
}

// One whose answer was lost may be there already, and be answered late: a second answer, by a
// session that has ended, would come first and say that nothing had been received.
void Outbox::Repeat(const std::string& pod, std::vector<internal::v1::InboxItem> kicks,
                    bool may_be_there) {
  if (kicks.empty()) return;
  for (internal::v1::InboxItem& kick : kicks) {
    if (may_be_there) kick.mutable_kick()->clear_answer_pod();
    probe_.Refuse("kick_repeated");
  }
  log::Refusal("kicks_repeated",
               {{"pod", pod}, {"items", kicks.size()}, {"next", "again, until Redis takes them"}});
  reactor_.After(kRepeatMs, [this, pod, kicks = std::move(kicks)]() mutable {
    for (internal::v1::InboxItem& kick : kicks) Add(pod, std::move(kick));
  });
}

void Outbox::Drop(const std::string& key, int items, std::string_view reason) {
  probe_.outbox_dropped.Add(static_cast<uint64_t>(items));
  log::Refusal("inbox_append_failed", {{"stream", key}, {"items", items}, {"reason", reason}});
}

}  // namespace homeport::gateway
