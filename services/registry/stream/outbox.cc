#include "services/registry/stream/outbox.h"

#include <iterator>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"

namespace homeport::registry {
namespace {

constexpr std::string_view kInboxEntriesMax = "100000";

}  // namespace

void Outbox::Add(Downlinks&& downlinks) {
  for (const InboxEntry& entry : downlinks.entries()) entries_.push_back(entry);
}

absl::StatusOr<size_t> Outbox::Send(redis_blocking::Client& client) {
  for (const InboxEntry& entry : entries_) {
    if (const auto partition = entry.partition()) {
      HP_RETURN_IF_ERROR(client.Send(
          {"XADD", routing::UplinkKey(*partition), "*", routing::kBatchField, entry.batch}));
      continue;
    }
    HP_RETURN_IF_ERROR(
        client.Send({"XADD", routing::InboxKey(entry.pod), "NOMKSTREAM", "MAXLEN", "~",
                     kInboxEntriesMax, "*", routing::kBatchField, entry.batch}));
  }
  return entries_.size();
}

absl::Status Outbox::Receive(redis_blocking::Client& client, size_t answers) {
  size_t skipped = 0;
  for (size_t i = 0; i < answers; ++i) {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply, client.Receive());
    HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
    if (!reply.is_nil()) continue;
    ++skipped;
    log::Refusal("inbox_skipped", {{"pod", entries_[i].pod}, {"reason", "that pod is gone"}});
  }
  entries_.erase(entries_.begin(), std::next(entries_.begin(), static_cast<int64_t>(answers)));
  probe_.InboxAppended(answers - skipped);
  probe_.InboxSkipped(skipped);
  return absl::OkStatus();
}

}  // namespace homeport::registry
