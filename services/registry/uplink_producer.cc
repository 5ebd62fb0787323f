#include "services/registry/uplink_producer.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/registry/backoff.h"

namespace homeport::registry {

UplinkProducer::UplinkProducer(std::string pod, uint32_t partitions,
                               redis_blocking::ClientOptions redis, ServiceProbe& probe)
    : pod_(std::move(pod)), partitions_(partitions), probe_(probe), redis_(std::move(redis)) {}

absl::Status UplinkProducer::Append(const internal::v1::UplinkMessage& message,
                                    int64_t timeout_ms) {
  const int64_t deadline_us = MonotonicMicros() + timeout_ms * 1000;
  const uint32_t partition = routing::PartitionOf(message.device(), partitions_);
  absl::MutexLock lock(&mutex_);
  internal::v1::UplinkBatch batch;
  batch.set_version(1);
  batch.set_pod(pod_);
  batch.set_sequence(++sequences_[partition]);
  *batch.add_messages() = message;
  const std::string bytes = batch.SerializeAsString();
  Backoff backoff;
  for (;;) {
    const auto reply = redis_.Call(
        {"XADD", routing::UplinkKey(partition), "*", routing::kBatchField, bytes});
    const absl::Status status = reply.ok() ? redis_blocking::ToStatus(*reply) : reply.status();
    if (status.ok()) return status;
    probe_.RedisFailed();
    log::Refusal("append_retries", {{"error", status}});
    const int64_t wait_ms = backoff.NextMs();
    if (MonotonicMicros() + wait_ms * 1000 > deadline_us) {
      return ErrorWithReason(absl::StatusCode::kUnavailable, "REDIS_UNAVAILABLE", Message(status));
    }
    absl::SleepFor(absl::Milliseconds(wait_ms));
  }
}

}  // namespace homeport::registry
