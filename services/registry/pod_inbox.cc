#include "services/registry/pod_inbox.h"

#include <random>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"

namespace homeport::registry {
namespace {

constexpr std::string_view kBlockMs = "200";
constexpr std::string_view kCount = "256";

}  // namespace

// A random start, so that an answer to a former run of this pod meets nobody.
AnswerTable::AnswerTable() : next_(uint64_t{std::random_device{}()} << 24 | 1) {}

absl::StatusOr<uint64_t> AnswerTable::Expect() {
  absl::MutexLock lock(&mutex_);
  if (waiting_.size() >= kWaitingMax) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "TOO_MANY_REQUESTS",
                           "too many shadow requests are waiting");
  }
  const uint64_t correlation = next_++;
  waiting_.emplace(correlation, std::make_unique<Waiter>());
  return correlation;
}

absl::StatusOr<internal::v1::ApiAnswer> AnswerTable::Await(uint64_t correlation,
                                                           int64_t timeout_ms) {
  absl::MutexLock lock(&mutex_);
  Waiter* waiter = waiting_.at(correlation).get();
  const bool answered =
      mutex_.AwaitWithTimeout(absl::Condition(&waiter->answered), absl::Milliseconds(timeout_ms));
  internal::v1::ApiAnswer answer = std::move(waiter->answer);
  waiting_.erase(correlation);
  if (answered) return answer;
  return ErrorWithReason(absl::StatusCode::kDeadlineExceeded, "SHADOW_REQUEST_TIMED_OUT",
                         "not committed in time: the request may still be carried out");
}

bool AnswerTable::Deliver(const internal::v1::ApiAnswer& answer) {
  absl::MutexLock lock(&mutex_);
  const auto at = waiting_.find(answer.correlation());
  if (at == waiting_.end() || at->second->answered) return false;
  at->second->answer = answer;
  at->second->answered = true;
  return true;
}

PodInbox::PodInbox(Options options, AnswerTable& answers, const Clock& clock, ServiceProbe& probe)
    : options_(std::move(options)),
      answers_(answers),
      clock_(clock),
      probe_(probe),
      redis_(options_.redis) {}

PodInbox::~PodInbox() { Stop(); }

void PodInbox::Start() {
  thread_ = std::thread([this] { Run(); });
}

void PodInbox::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void PodInbox::Run() {
  while (!stop_.stopped()) {
    const absl::Status status = Step();
    if (status.ok()) {
      backoff_.Reset();
      continue;
    }
    probe_.RedisFailed();
    inbox_made_ = false;
    log::Warn("inbox_retries", {{"error", status}});
    (void)stop_.WaitFor(backoff_.NextMs());
  }
  const auto removed =
      redis_.Call({"DEL", routing::PodKey(options_.pod), routing::InboxKey(options_.pod)});
  if (!removed.ok()) log::Warn("lease_not_given_up", {{"error", removed.status()}});
}

absl::Status PodInbox::Step() {
  HP_RETURN_IF_ERROR(RenewLease());
  HP_RETURN_IF_ERROR(EnsureInbox());
  const std::string key = routing::InboxKey(options_.pod);
  HP_ASSIGN_OR_RETURN(
      const redis_blocking::Reply reply,
      redis_.Call({"XREAD", "COUNT", kCount, "BLOCK", kBlockMs, "STREAMS", key, ToText(last_)}));
  HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
  if (reply.size() == 0 || reply[0].size() != 2) return absl::OkStatus();
  Read(reply[0][1]);
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply trimmed,
                      redis_.Call({"XTRIM", key, "MINID", "~", ToText(last_)}));
  return redis_blocking::ToStatus(trimmed);
}

absl::Status PodInbox::RenewLease() {
  if (clock_.Now() < renew_at_) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply,
                      redis_.Call({"SET", routing::PodKey(options_.pod), "registry", "PX",
                                   std::to_string(options_.lease_ms), "GET"}));
  HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
  // Without a lease we were as good as dead, and the inbox may have been swept.
  if (reply.is_nil()) inbox_made_ = false;
  renew_at_ = clock_.Now() + options_.lease_ms / 3;
  return absl::OkStatus();
}

// Senders append to inboxes that exist only, so that a dead pod's stays deleted.
absl::Status PodInbox::EnsureInbox() {
  if (inbox_made_) return absl::OkStatus();
  internal::v1::InboxBatch empty;
  empty.set_version(1);
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply,
                      redis_.Call({"XADD", routing::InboxKey(options_.pod), "*",
                                   routing::kBatchField, empty.SerializeAsString()}));
  HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
  inbox_made_ = true;
  return absl::OkStatus();
}

void PodInbox::Read(redis_blocking::ReplyView entries) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].size() != 2) continue;
    if (const auto id = ParseStreamId(entries[i][0].text())) last_ = *id;
    const redis_blocking::ReplyView fields = entries[i][1];
    internal::v1::InboxBatch batch;
    if (fields.size() != 2 ||
        !batch.ParseFromArray(fields[1].text().data(), static_cast<int>(fields[1].text().size()))) {
      log::Refusal("inbox_entry_refused", {{"reason", "malformed"}});
      continue;
    }
    for (const internal::v1::InboxItem& item : batch.items()) {
      if (item.has_api_answer() && !answers_.Deliver(item.api_answer())) probe_.LateAnswer();
    }
  }
}

}  // namespace homeport::registry
