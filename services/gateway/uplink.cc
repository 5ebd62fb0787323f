#include "services/gateway/uplink.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kRefusedRetryMs = 100;

}  // namespace

Uplink::Uplink(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, Options options,
               OnAppended on_appended)
    : reactor_(reactor),
      redis_(redis),
      probe_(probe),
      options_(std::move(options)),
      on_appended_(std::move(on_appended)),
      partitions_(options_.partitions) {
  for (uint32_t i = 0; i < options_.partitions; ++i) partitions_[i].key = routing::UplinkKey(i);
}

Uplink::Partition& Uplink::Of(std::string_view device) {
  return partitions_[routing::PartitionOf(device, options_.partitions)];
}

void Uplink::Append(const routing::Uplink& message, OwedAck ack) {
  Partition& partition = Of(message.device);
  const size_t before = partition.open.size();
  if (before == 0) partition.opened_us = MonotonicMicros();
  routing::AppendUplink(partition.open, message);
  buffered_bytes_ += partition.open.size() - before;
  ++partition.open_messages;
  if (ack.packet_id != 0) partition.open_acks.push_back(ack);
  Touch(partition);
}

void Uplink::AppendAck(std::string_view device, OwedAck ack) {
  Partition& partition = Of(device);
  if (partition.open.empty() && !partition.on_its_way) return on_appended_({&ack, 1});
  if (partition.open.empty()) {
    partition.sent_acks.push_back(ack);
  } else {
    partition.open_acks.push_back(ack);
  }
}

// The first message after a quiet window leaves at the end of this loop iteration; those behind it
// wait for company until the window is over.
void Uplink::Touch(Partition& partition) {
  if (!partition.dirty) {
    partition.dirty = true;
    dirty_.push_back(static_cast<uint32_t>(&partition - partitions_.data()));
  }
  if (!partition.on_its_way && partition.open.size() >= options_.batch_bytes_max) {
    Close(partition);
    SendBatch(partition);
    return;
  }
  if (flush_scheduled_) return;
  flush_scheduled_ = true;
  const int64_t wait = options_.window_ms - (reactor_.now() - last_flush_);
  auto flush = [this] {
    flush_scheduled_ = false;
    Flush();
  };
  if (wait <= 0) {
    reactor_.Defer(flush);
  } else {
    reactor_.After(wait, flush);
  }
}

void Uplink::Flush() {
  last_flush_ = reactor_.now();
  std::vector<uint32_t> dirty;
  dirty.swap(dirty_);
  for (const uint32_t index : dirty) {
    Partition& partition = partitions_[index];
    partition.dirty = false;
    if (partition.on_its_way || partition.open.empty()) continue;
    Close(partition);
    SendBatch(partition);
  }
}

// Turns the open batch into the one to send. REQUIRES: none is on its way.
void Uplink::Close(Partition& partition) {
  const size_t before = partition.open.size();
  routing::AppendBatchTail(partition.open, options_.pod.str(), ++partition.sequence);
  buffered_bytes_ += partition.open.size() - before;
  probe_.batch_messages.Observe(static_cast<int64_t>(std::exchange(partition.open_messages, 0)));
  partition.sent.swap(partition.open);
  partition.sent_acks.swap(partition.open_acks);
  partition.open.clear();
  partition.first_us = partition.opened_us;
  partition.on_its_way = true;
}

void Uplink::SendBatch(Partition& partition) {
  partition.sent_us = MonotonicMicros();
  const uint32_t attempt = ++partition.attempt;
  redis_.Send({"XADD", partition.key, "*", routing::kBatchField, partition.sent},
              [this, &partition, attempt](const redis::Reply& reply) {
                if (attempt == partition.attempt) OnAnswer(partition, reply);
              });
}

void Uplink::OnAnswer(Partition& partition, const redis::Reply& reply) {
  if (!reply.ok()) {
    probe_.uplink_retries.Increment();
    if (!reply.lost()) {
      log::Refusal("uplink_append_refused", {{"stream", partition.key},
                                             {"reason", reply.error()},
                                             {"next", "retrying, nothing is acknowledged"}});
      RetryLater(partition);
    }
    return;  // lost: OnConnected sends again
  }
  const int64_t now_us = MonotonicMicros();
  probe_.append_us.Observe(now_us - partition.sent_us);
  probe_.puback_us.Observe(now_us - partition.first_us);
  probe_.uplink_batches.Increment();
  buffered_bytes_ -= partition.sent.size();
  partition.on_its_way = false;
  partition.sent.clear();
  std::vector<OwedAck> acks;
  acks.swap(partition.sent_acks);
  if (!partition.open.empty()) Touch(partition);
  on_appended_(acks);
  acks.clear();
  if (partition.sent_acks.empty()) partition.sent_acks.swap(acks);  // keeps the capacity
}

void Uplink::RetryLater(Partition& partition) {
  reactor_.After(kRefusedRetryMs, [this, &partition] {
    if (redis_.connected()) SendBatch(partition);
  });
}

bool Uplink::idle() const {
  return std::all_of(partitions_.begin(), partitions_.end(), [](const Partition& partition) {
    return partition.open.empty() && !partition.on_its_way;
  });
}

void Uplink::OnConnected() {
  for (Partition& partition : partitions_) {
    if (partition.on_its_way) SendBatch(partition);
  }
}

}  // namespace homeport::gateway
