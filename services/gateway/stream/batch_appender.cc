#include "services/gateway/stream/batch_appender.h"

#include <algorithm>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/envelope.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kRefusedRetryMs = 100;

// KEYS: stream, hash. ARGV: oldest id to keep, name and bytes of the batch, then field and value in
// turn; a value gets the entry's place, so that it is known whether a subscription is older. Sent
// again after a lost answer it has the same effect on the hash.
constexpr std::string_view kAppendSource = R"lua(
local id = redis.call('XADD', KEYS[1], 'MINID', '~', ARGV[1], '*', ARGV[2], ARGV[3])
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1] .. id .. string.char(#id))
  end
end
return id
)lua";

const redis::Script& AppendScript() {
  static const redis::Script script(kAppendSource);
  return script;
}

}  // namespace

BatchAppender::BatchAppender(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe,
                             Options options, OnAppended on_appended)
    : reactor_(reactor),
      redis_(redis),
      probe_(probe),
      options_(std::move(options)),
      on_appended_(std::move(on_appended)),
      partitions_(options_.streams.size()) {
  for (size_t i = 0; i < partitions_.size(); ++i) partitions_[i].key = options_.streams[i];
}

void BatchAppender::Appended(Partition& partition, size_t before, OwedAck ack, Haste haste) {
  if (before == 0) {
    partition.opened_us = MonotonicMicros();
    partition.can_wait = true;
  }
  if (haste == Haste::kNow) partition.can_wait = false;
  buffered_bytes_ += partition.open.size() - before;
  ++partition.open_messages;
  if (ack.packet_id != 0) partition.open_acks.push_back(ack);
  Touch(partition);
}

void BatchAppender::SetWithBatch(uint32_t partition, std::string_view field, std::string value) {
  partitions_[partition].open_fields.emplace_back(field);
  partitions_[partition].open_fields.push_back(std::move(value));
}

void BatchAppender::AppendAck(uint32_t index, OwedAck ack) {
  Partition& partition = partitions_[index];
  if (partition.open.empty() && !partition.on_its_way) return on_appended_({&ack, 1});
  if (partition.open.empty()) {
    partition.sent_acks.push_back(ack);
  } else {
    partition.open_acks.push_back(ack);
  }
}

void BatchAppender::AfterAppended(uint32_t index, absl::AnyInvocable<void()> then) {
  Partition& partition = partitions_[index];
  if (!partition.open.empty()) {
    partition.can_wait = false;
    return partition.open_waits.push_back(std::move(then));
  }
  if (partition.on_its_way) return partition.sent_waits.push_back(std::move(then));
  then();
}

// The first message after a quiet window leaves at the end of this loop iteration; those behind it
// wait for company until the window is over.
void BatchAppender::Touch(Partition& partition) {
  if (!partition.dirty) {
    partition.dirty = true;
    dirty_.push_back(static_cast<uint32_t>(&partition - partitions_.data()));
  }
  if (!partition.on_its_way && partition.open.size() >= options_.batch_bytes_max) {
    Close(partition);
    SendBatch(partition);
    return;
  }
  ScheduleFlush();
}

void BatchAppender::ScheduleFlush() {
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

void BatchAppender::Flush() {
  last_flush_ = reactor_.now();
  const int64_t waits_since_us = MonotonicMicros() - options_.patience_ms * 1000;
  std::vector<uint32_t> dirty;
  dirty.swap(dirty_);
  for (const uint32_t index : dirty) {
    Partition& partition = partitions_[index];
    if (partition.can_wait && partition.sent_us > waits_since_us && !partition.on_its_way) {
      dirty_.push_back(index);
      continue;
    }
    partition.dirty = false;
    if (partition.on_its_way || partition.open.empty()) continue;
    Close(partition);
    SendBatch(partition);
  }
  if (!dirty_.empty()) ScheduleFlush();
}

// Turns the open batch into the one to send. REQUIRES: none is on its way.
void BatchAppender::Close(Partition& partition) {
  const size_t before = partition.open.size();
  routing::AppendBatchTail(partition.open, options_.pod.str(), ++partition.sequence);
  buffered_bytes_ += partition.open.size() - before;
  probe_.batch_messages.Observe(static_cast<int64_t>(std::exchange(partition.open_messages, 0)));
  partition.sent.swap(partition.open);
  partition.sent_acks.swap(partition.open_acks);
  partition.sent_fields.swap(partition.open_fields);
  partition.sent_waits.swap(partition.open_waits);
  partition.open_fields.clear();
  partition.open.clear();
  partition.first_us = partition.opened_us;
  partition.on_its_way = true;
}

void BatchAppender::SendBatch(Partition& partition) {
  partition.sent_us = MonotonicMicros();
  const uint32_t attempt = ++partition.attempt;
  auto on_reply = [this, &partition, attempt](const redis::Reply& reply) {
    if (attempt == partition.attempt) OnAnswer(partition, reply);
  };
  if (!partition.sent_fields.empty()) return SendWithFields(partition, std::move(on_reply));
  if (options_.keep_ms == 0) {
    return redis_.Send({"XADD", partition.key, "*", routing::kBatchField, partition.sent},
                       std::move(on_reply));
  }
  const std::string oldest = std::to_string(reactor_.wall().value - options_.keep_ms);
  redis_.Send(
      {"XADD", partition.key, "MINID", "~", oldest, "*", routing::kBatchField, partition.sent},
      std::move(on_reply));
}

void BatchAppender::SendWithFields(Partition& partition, redis::Client::OnReply on_reply) {
  const auto index = static_cast<size_t>(&partition - partitions_.data());
  std::vector<std::string> arguments = {"2",
                                        partition.key,
                                        options_.hashes[index],
                                        std::to_string(reactor_.wall().value - options_.keep_ms),
                                        std::string(routing::kBatchField),
                                        partition.sent};
  arguments.insert(arguments.end(), partition.sent_fields.begin(), partition.sent_fields.end());
  redis_.Eval(AppendScript(), std::move(arguments), std::move(on_reply));
}

void BatchAppender::OnAnswer(Partition& partition, const redis::Reply& reply) {
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
  Settle(partition);
}

void BatchAppender::Confirm(uint32_t index, std::string_view pod, uint64_t sequence) {
  Partition& partition = partitions_[index];
  if (!partition.on_its_way || partition.sequence != sequence || pod != options_.pod.str()) return;
  ++partition.attempt;
  Settle(partition);
}

void BatchAppender::Settle(Partition& partition) {
  const int64_t now_us = MonotonicMicros();
  probe_.append_us.Observe(now_us - partition.sent_us);
  probe_.puback_us.Observe(now_us - partition.first_us);
  probe_.uplink_batches.Increment();
  buffered_bytes_ -= partition.sent.size();
  partition.on_its_way = false;
  partition.sent.clear();
  std::vector<OwedAck> acks;
  acks.swap(partition.sent_acks);
  for (auto& then : std::exchange(partition.sent_waits, {})) then();
  if (!partition.open.empty()) Touch(partition);
  on_appended_(acks);
  acks.clear();
  if (partition.sent_acks.empty()) partition.sent_acks.swap(acks);  // keeps the capacity
}

void BatchAppender::RetryLater(Partition& partition) {
  reactor_.After(kRefusedRetryMs, [this, &partition, attempt = partition.attempt] {
    if (redis_.connected() && attempt == partition.attempt) SendBatch(partition);
  });
}

bool BatchAppender::idle() const {
  return std::all_of(partitions_.begin(), partitions_.end(), [](const Partition& partition) {
    return partition.open.empty() && !partition.on_its_way;
  });
}

void BatchAppender::OnConnected() {
  for (Partition& partition : partitions_) {
    if (partition.on_its_way) SendBatch(partition);
  }
}

}  // namespace homeport::gateway
