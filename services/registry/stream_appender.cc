#include "services/registry/stream_appender.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/registry/backoff.h"

namespace homeport::registry {
namespace {

constexpr uint32_t kEnvelopeVersion = 1;
constexpr std::string_view kInboxEntriesMax = "100000";

absl::Status RedisUnavailable(const absl::Status& status) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "REDIS_UNAVAILABLE", Message(status));
}

absl::Status StatusOf(const absl::StatusOr<redis_blocking::Reply>& reply) {
  return reply.ok() ? redis_blocking::ToStatus(*reply) : reply.status();
}

}  // namespace

StreamAppender::StreamAppender(std::string pod, uint32_t partitions,
                               redis_blocking::ClientOptions redis, ServiceProbe& probe)
    : pod_(std::move(pod)), partitions_(partitions), probe_(probe), redis_(std::move(redis)) {}

absl::Status StreamAppender::AppendUplink(const internal::v1::UplinkMessage& message,
                                          int64_t timeout_ms) {
  const int64_t deadline_us = MonotonicMicros() + timeout_ms * 1000;
  const uint32_t partition = routing::PartitionOf(message.device(), partitions_);
  absl::MutexLock lock(&mutex_);
  if (MonotonicMicros() > deadline_us) {  // while it waited for others: nobody waits any more
    return RedisUnavailable(absl::DeadlineExceededError("Redis answers too slowly"));
  }
  internal::v1::UplinkBatch batch;
  batch.set_version(kEnvelopeVersion);
  batch.set_pod(pod_);
  batch.set_sequence(++sequences_[partition]);
  *batch.add_messages() = message;
  const std::string bytes = batch.SerializeAsString();
  Backoff backoff;
  for (;;) {
    const absl::Status status = StatusOf(
        redis_.Call({"XADD", routing::UplinkKey(partition), "*", routing::kBatchField, bytes}));
    if (status.ok()) return status;
    probe_.RedisFailed();
    log::Refusal("append_retries", {{"error", status}});
    const int64_t wait_ms = backoff.NextMs();
    if (MonotonicMicros() + wait_ms * 1000 > deadline_us) return RedisUnavailable(status);
    absl::SleepFor(absl::Milliseconds(wait_ms));
  }
}

absl::Status StreamAppender::AppendInbox(const std::string& pod,
                                         const internal::v1::InboxItem& item) {
  internal::v1::InboxBatch batch;
  batch.set_version(kEnvelopeVersion);
  *batch.add_items() = item;
  absl::MutexLock lock(&mutex_);
  const absl::Status status = StatusOf(
      redis_.Call({"XADD", routing::InboxKey(pod), "NOMKSTREAM", "MAXLEN", "~", kInboxEntriesMax,
                   "*", routing::kBatchField, batch.SerializeAsString()}));
  return status.ok() ? status : RedisUnavailable(status);
}

absl::Status StreamAppender::SetBlocked(const std::string& device, Blocked blocked) {
  const std::string key = routing::SessionKey(device);
  absl::MutexLock lock(&mutex_);
  const absl::Status status =
      blocked == Blocked::kYes ? StatusOf(redis_.Call({"HSET", key, routing::kBlockedField, "1"}))
                               : StatusOf(redis_.Call({"HDEL", key, routing::kBlockedField}));
  return status.ok() ? status : RedisUnavailable(status);
}

}  // namespace homeport::registry
