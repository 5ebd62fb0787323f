#include "services/registry/stream/outbox.h"

#include <iterator>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"

namespace homeport::registry {
namespace {

constexpr int64_t kCheckMs = 1000;
constexpr std::string_view kInboxEntriesMax = "100000";
constexpr size_t kPodsRemembered = 4096;

}  // namespace

void Outbox::Add(Downlinks&& downlinks) {
  for (const InboxEntry& entry : downlinks.entries()) entries_.push_back(entry);
}

bool Outbox::IsKnown(const std::string& pod) const {
  const auto at = pods_.find(pod);
  return at != pods_.end() && clock_.Now() - at->second.checked < kCheckMs;
}

absl::Status Outbox::CheckPods(redis_blocking::Client& client) {
  std::vector<std::string> unknown;
  for (const InboxEntry& entry : entries_) {
    if (IsKnown(entry.pod)) continue;
    pods_[entry.pod] = {true, clock_.Now()};
    unknown.push_back(entry.pod);
  }
  for (const std::string& pod : unknown) {
    HP_RETURN_IF_ERROR(client.Send({"EXISTS", routing::PodKey(pod)}));
  }
  for (const std::string& pod : unknown) {
    absl::StatusOr<redis_blocking::Reply> reply = client.Receive();
    if (!reply.ok() || reply->is_error()) {
      pods_.clear();
      return reply.ok() ? redis_blocking::ToStatus(*reply) : reply.status();
    }
    pods_[pod].alive = reply->integer() != 0;
  }
  DropToDeadPods();
  if (pods_.size() > kPodsRemembered) pods_.clear();
  return absl::OkStatus();
}

void Outbox::DropToDeadPods() {
  const size_t dropped = std::erase_if(entries_, [&](const InboxEntry& entry) {
    const auto at = pods_.find(entry.pod);
    const bool dead = at != pods_.end() && !at->second.alive;
    if (dead) log::Refusal("inbox_skipped", {{"pod", entry.pod}, {"reason", "no lease"}});
    return dead;
  });
  probe_.InboxSkipped(dropped);
}

absl::StatusOr<size_t> Outbox::Send(redis_blocking::Client& client) {
  for (const InboxEntry& entry : entries_) {
    HP_RETURN_IF_ERROR(client.Send({"XADD", routing::InboxKey(entry.pod), "MAXLEN", "~",
                                    kInboxEntriesMax, "*", routing::kBatchField, entry.batch}));
  }
  return entries_.size();
}

absl::Status Outbox::Receive(redis_blocking::Client& client, size_t answers) {
  for (size_t i = 0; i < answers; ++i) {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply, client.Receive());
    HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
  }
  entries_.erase(entries_.begin(), std::next(entries_.begin(), static_cast<int64_t>(answers)));
  probe_.InboxAppended(answers);
  return absl::OkStatus();
}

}  // namespace homeport::registry
