#include "services/gateway/stream/inbox.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr uint64_t kTrimEvery = 256;
constexpr int64_t kErrorPauseMs = 100;

}  // namespace

Inbox::Inbox(net::Reactor& reactor, redis::Client::Options connection, ShardProbe& probe, PodId pod,
             OnItem on_item)
    : reactor_(reactor),
      probe_(probe),
      key_(routing::InboxKey(pod.str())),
      on_item_(std::move(on_item)),
      redis_(reactor, std::move(connection), [this](bool connected) {
        reading_ = false;
        if (!connected) return;
        Make(redis_);
        Read();
      }) {}

void Inbox::Start() { redis_.Start(); }

void Inbox::Stop() { redis_.Stop(); }

void Inbox::Make(redis::Client& redis) const {
  internal::v1::InboxBatch empty;
  empty.set_version(1);
  const std::string bytes = empty.SerializeAsString();
  redis.Send({"XADD", key_, "*", routing::kBatchField, bytes}, [](const redis::Reply&) {});
}

void Inbox::Read() {
  if (std::exchange(reading_, true)) return;
  redis_.Send({"XREAD", "COUNT", "128", "BLOCK", "1000", "STREAMS", key_, last_id_},
              [this](const redis::Reply& reply) {
                reading_ = false;
                if (reply.lost()) return;  // the next connection reads on
                if (!reply.ok()) {
                  log::Refusal("inbox_read_failed", {{"stream", key_}, {"reason", reply.error()}});
                  reactor_.After(kErrorPauseMs, [this] { Read(); });
                  return;
                }
                OnEntries(reply);
                Trim();
                Read();
              });
}

// [[stream, [[id, [field, value]], …]]], or nil when the wait was in vain.
void Inbox::OnEntries(const redis::Reply& reply) {
  if (reply.size() == 0) return;
  const redis::Reply entries = reply[0][1];
  for (size_t i = 0; i < entries.size(); ++i) OnEntry(entries[i]);
}

void Inbox::OnEntry(const redis::Reply& entry) {
  last_id_ = std::string(entry[0].text());
  ++read_;
  internal::v1::InboxBatch batch;
  const std::string_view bytes = entry[1].size() == 2 ? entry[1][1].text() : std::string_view();
  if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || batch.version() != 1) {
    probe_.inbox_malformed.Increment();
    log::Refusal("inbox_entry_malformed",
                 {{"stream", key_}, {"id", last_id_}, {"next", "skipped"}});
    return;
  }
  for (const internal::v1::InboxItem& item : batch.items()) {
    probe_.inbox_items.Increment();
    on_item_(item);
  }
}

void Inbox::Trim() {
  if (read_ - trimmed_at_ < kTrimEvery) return;
  trimmed_at_ = read_;
  redis_.Send({"XTRIM", key_, "MINID", last_id_}, [](const redis::Reply&) {});
}

}  // namespace homeport::gateway
