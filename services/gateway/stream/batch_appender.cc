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
constexpr int64_t kClockSkewMs = 10'000;              // between this machine and Redis's
constexpr std::string_view kReceiptsKeepS = "86400";  // far longer than a session waits for a pod
constexpr std::string_view kReceiptBatches = "-256";  // as LTRIM has it: seconds even in a rush

// KEYS: stream, hash, its bytes, receipts. ARGV: oldest id to keep, name and bytes of the batch,
// most fields and bytes of the hash, the receipts, how many to keep and how long, then field and
// value in turn; a value gets the entry's place, so that it is known whether a subscription is
// older. Returns the id, and which fields were refused, from 0. Sent again after a lost answer it
// has the same effect on the hash.
constexpr std::string_view kAppendSource = R"lua(
local id = redis.call('XADD', KEYS[1], 'MINID', '~', ARGV[1], '*', ARGV[2], ARGV[3])
local fields, bytes = redis.call('HLEN', KEYS[2]), 0
if fields > 0 then bytes = tonumber(redis.call('GET', KEYS[3]) or '0') end
local answer = {id}
if ARGV[6] ~= '' then
  redis.call('RPUSH', KEYS[4], ARGV[6])
  redis.call('LTRIM', KEYS[4], ARGV[7], -1)
  redis.call('EXPIRE', KEYS[4], ARGV[8])
end
for i = 9, #ARGV, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local is_there = redis.call('HEXISTS', KEYS[2], field)
  local before = is_there == 1 and #field + redis.call('HSTRLEN', KEYS[2], field) or 0
  local after = 0
  if value ~= '' then
    value = value .. id .. string.char(#id)
    after = #field + #value
    if fields - is_there >= tonumber(ARGV[4]) or bytes - before + after > tonumber(ARGV[5]) then
      answer[#answer + 1] = (i - 9) / 2
      after = 0
    end
  end
  if after > 0 then
    redis.call('HSET', KEYS[2], field, value)
    fields = fields - is_there + 1
  elseif is_there == 1 then
    redis.call('HDEL', KEYS[2], field)
    fields = fields - 1
  end
  bytes = bytes - before + after
end
redis.call('SET', KEYS[3], bytes)
return answer
)lua";

// KEYS: stream, receipts. ARGV: the receipts, how many to keep and how long, what follows the
// stream in XADD. Returns the id.
constexpr std::string_view kReceiptSource = R"lua(
local id = redis.call('XADD', KEYS[1], unpack(ARGV, 4))
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], ARGV[2], -1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return id
)lua";

// Whether a batch is there whose answer was lost: its id, or nothing. KEYS: stream. ARGV: the
// oldest id it can have, its last bytes, which name it.
constexpr std::string_view kFindSource = R"lua(
local newest = '+'
for page = 1, 50 do
  local entries = redis.call('XREVRANGE', KEYS[1], newest, ARGV[1], 'COUNT', 100)
  for i = 1, #entries do
    if string.sub(entries[i][2][2], -#ARGV[2]) == ARGV[2] then return entries[i][1] end
  end
  if #entries < 100 then return false end
  newest = '(' .. entries[100][1]
end
return false
)lua";

const redis::Script& FindScript() {
  static const redis::Script script(kFindSource);
  return script;
}
const redis::Script& AppendScript() {
  static const redis::Script script(kAppendSource);
  return script;
}
const redis::Script& ReceiptScript() {
  static const redis::Script script(kReceiptSource);
  return script;
}

}  // namespace

BatchAppender::BatchAppender(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe,
                             AppendProbe& counts, Options options, OnAppended on_appended)
    : reactor_(reactor),
      redis_(redis),
      probe_(probe),
      counts_(counts),
      options_(std::move(options)),
      on_appended_(std::move(on_appended)),
      partitions_(options_.streams.size()),
      flush_(reactor, options_.window_ms, [this] { Flush(); }) {
  for (size_t i = 0; i < partitions_.size(); ++i) partitions_[i].key = options_.streams[i];
}

void BatchAppender::Batch::Clear() {
  bytes.clear();
  acks.clear();
  fields.clear();
  field_acks.clear();
  receipts.clear();
  waits.clear();
  messages = 0;
  extra_bytes = 0;
  can_wait = true;
  awaited = false;
}

void BatchAppender::Appended(Partition& partition, size_t before, OwedAck ack, Haste haste) {
  Batch& open = partition.open;
  if (before == 0) open.opened_us = MonotonicMicros();
  if (haste == Haste::kNow) open.can_wait = false;
  buffered_bytes_ += open.bytes.size() - before;
  ++open.messages;
  if (ack.packet_id != 0) open.acks.push_back(ack);
  Touch(partition);
}

void BatchAppender::SetWithBatch(uint32_t partition, std::string_view field, std::string value,
                                 OwedAck ack) {
  Batch& open = partitions_[partition].open;
  const size_t bytes = field.size() + value.size();
  open.extra_bytes += bytes;
  buffered_bytes_ += bytes;
  open.fields.emplace_back(field);
  open.fields.push_back(std::move(value));
  open.field_acks.push_back(ack);
}

void BatchAppender::AddReceipt(uint32_t partition, std::string_view receipt) {
  Batch& open = partitions_[partition].open;
  open.receipts += receipt;
  open.extra_bytes += receipt.size();
  buffered_bytes_ += receipt.size();
}

// The last batch that is not in its stream yet; nullptr where all is.
BatchAppender::Batch* BatchAppender::LastOf(Partition& partition) {
  if (!partition.open.bytes.empty()) return &partition.open;
  if (!partition.full.empty()) return &partition.full.back();
  return partition.on_its_way ? &partition.sent : nullptr;
}

void BatchAppender::AppendAck(uint32_t index, OwedAck ack) {
  Partition& partition = partitions_[index];
  Batch* last = LastOf(partition);
  if (last == nullptr) return on_appended_({&ack, 1});
  last->acks.push_back(ack);
  Await(partition, *last);
}

void BatchAppender::AfterAppended(uint32_t index, absl::AnyInvocable<void()> then) {
  Partition& partition = partitions_[index];
  Batch* last = LastOf(partition);
  if (last == nullptr) return then();
  last->waits.push_back(std::move(then));
  Await(partition, *last);
}

void BatchAppender::Await(Partition& partition, const Batch& last) {
  if (&last != &partition.open) return;
  partition.open.awaited = true;
  Touch(partition);
}

void BatchAppender::AfterAllAppended(absl::AnyInvocable<void()> then) {
  struct Waits {
    size_t open = 0;
    absl::AnyInvocable<void()> then;
  };
  auto waits = std::make_shared<Waits>();  // shared by the partitions that are waited for
  waits->then = std::move(then);
  waits->open = partitions_.size();
  for (uint32_t i = 0; i < partitions_.size(); ++i) {
    AfterAppended(i, [waits] {
      if (--waits->open == 0) waits->then();
    });
  }
}

// The first message after a quiet window leaves at the end of this loop iteration; those behind it
// wait for company until the window is over.
void BatchAppender::Touch(Partition& partition) {
  if (partition.open.size() >= options_.batch_bytes_max) {
    Close(partition);
    return;
  }
  if (partition.on_its_way) return;  // Settle sends it
  if (!partition.dirty && !(partition.patient && partition.open.may_rest())) {
    partition.dirty = true;
    dirty_.push_back(static_cast<uint32_t>(&partition - partitions_.data()));
  }
  if (partition.dirty) flush_.Want();
}

void BatchAppender::Flush() {
  const bool patience_ends = patience_until_ <= reactor_.now();
  std::vector<uint32_t> dirty;
  dirty.swap(dirty_);
  if (patience_ends) {
    for (const uint32_t index : patient_) partitions_[index].patient = false;
    dirty.insert(dirty.end(), patient_.begin(), patient_.end());
    patient_.clear();
  }
  for (const uint32_t index : dirty) {
    Partition& partition = partitions_[index];
    partition.dirty = false;
    if (partition.on_its_way || partition.open.bytes.empty()) continue;
    if (partition.open.may_rest() && !patience_ends) {
      AwaitPatience(partition);
      continue;
    }
    if (partition.open.may_rest()) patience_until_ = reactor_.now() + options_.patience_ms;
    Close(partition);
  }
}

void BatchAppender::AwaitPatience(Partition& partition) {
  if (std::exchange(partition.patient, true)) return;
  if (patient_.empty()) {
    reactor_.After(patience_until_ - reactor_.now(), [this] { flush_.Want(); });
  }
  patient_.push_back(static_cast<uint32_t>(&partition - partitions_.data()));
}

// What is open is sent, or waits behind the batch that is on its way.
void BatchAppender::Close(Partition& partition) {
  Batch& open = partition.open;
  const size_t before = open.bytes.size();
  open.sequence = ++partition.sequence;
  open.closed_ms = reactor_.wall().value;
  routing::AppendBatchTail(open.bytes, options_.pod.str(), open.sequence);
  buffered_bytes_ += open.bytes.size() - before;
  counts_.batch_messages.Observe(static_cast<int64_t>(open.messages));
  if (partition.on_its_way) {
    partition.full.push_back(std::exchange(open, {}));
    return;
  }
  std::swap(partition.sent, open);
  SendBatch(partition);
}

void BatchAppender::SendBatch(Partition& partition) {
  partition.on_its_way = true;
  partition.appended = false;
  partition.sent_us = MonotonicMicros();
  const uint32_t attempt = ++partition.attempt;
  auto on_reply = [this, &partition, attempt](const redis::Reply& reply) {
    if (attempt == partition.attempt) OnAnswer(partition, reply);
  };
  if (!partition.sent.fields.empty()) {
    SendWithFields(partition, std::move(on_reply));
  } else if (!partition.sent.receipts.empty()) {
    SendWithReceipts(partition, std::move(on_reply));
  } else if (options_.keep_ms == 0) {
    redis_.Send({"XADD", partition.key, "*",
                 partition.sent.can_wait ? routing::kPatientBatchField : routing::kBatchField,
                 partition.sent.bytes},
                std::move(on_reply));
  } else {
    const std::string oldest = std::to_string(reactor_.wall().value - options_.keep_ms);
    redis_.Send({"XADD", partition.key, "MINID", "~", oldest, "*", routing::kBatchField,
                 partition.sent.bytes},
                std::move(on_reply));
  }
  partition.told_early = false;
  partition.asked = WantsReaders(partition.sent);
  if (partition.asked) AskForReaders(partition);
}

// Not before it is known that it is not there: who reads the stream from its middle on does not
// know what came before, and would take it for another.
void BatchAppender::SendAgain(Partition& partition) {
  doubts_.push_back(&partition);
  if (!finding_) FindNext();
}

// One at a time: of all gateways at once, each of which may walk thousands of entries, they would
// keep Redis from answering anybody.
void BatchAppender::FindNext() {
  while (!doubts_.empty() && !doubts_.front()->in_doubt) doubts_.pop_front();  // read back since
  finding_ = !doubts_.empty();
  if (!finding_) return;
  Partition& partition = *doubts_.front();
  doubts_.pop_front();
  const uint32_t attempt = ++partition.attempt;
  const int64_t oldest = std::max<int64_t>(partition.sent.closed_ms - kClockSkewMs, 0);
  std::string name;
  routing::AppendBatchTail(name, options_.pod.str(), partition.sent.sequence);
  redis_.Eval(FindScript(), {"1", partition.key, std::to_string(oldest), std::move(name)},
              [this, &partition, attempt](const redis::Reply& reply) {
                if (attempt == partition.attempt) OnFound(partition, reply);
                if (!reply.lost()) return FindNext();
                finding_ = false;  // OnConnected begins again
                doubts_.clear();
              });
}

void BatchAppender::OnFound(Partition& partition, const redis::Reply& reply) {
  if (!reply.ok()) return OnAnswer(partition, reply);
  partition.in_doubt = false;
  if (reply.is_nil()) return SendBatch(partition);
  partition.told_early = false;
  partition.asked = WantsReaders(partition.sent);
  partition.appended = true;
  partition.asked ? AskForReaders(partition) : Settle(partition);
}

void BatchAppender::SendWithFields(Partition& partition, redis::Client::OnReply on_reply) {
  const auto index = static_cast<size_t>(&partition - partitions_.data());
  std::vector<std::string> arguments = {"4",
                                        partition.key,
                                        options_.hashes[index].key,
                                        options_.hashes[index].bytes_key,
                                        options_.receipts[index],
                                        std::to_string(reactor_.wall().value - options_.keep_ms),
                                        std::string(routing::kBatchField),
                                        partition.sent.bytes,
                                        std::to_string(options_.hash_fields_max),
                                        std::to_string(options_.hash_bytes_max),
                                        partition.sent.receipts,
                                        std::string(kReceiptBatches),
                                        std::string(kReceiptsKeepS)};
  arguments.insert(arguments.end(), partition.sent.fields.begin(), partition.sent.fields.end());
  redis_.Eval(AppendScript(), std::move(arguments), std::move(on_reply));
}

void BatchAppender::SendWithReceipts(Partition& partition, redis::Client::OnReply on_reply) {
  const auto index = static_cast<size_t>(&partition - partitions_.data());
  std::vector<std::string> arguments = {"2",
                                        partition.key,
                                        options_.receipts[index],
                                        partition.sent.receipts,
                                        std::string(kReceiptBatches),
                                        std::string(kReceiptsKeepS)};
  if (options_.keep_ms > 0) {
    arguments.insert(arguments.end(),
                     {"MINID", "~", std::to_string(reactor_.wall().value - options_.keep_ms)});
  }
  arguments.insert(arguments.end(), {"*", std::string(routing::kBatchField), partition.sent.bytes});
  redis_.Eval(ReceiptScript(), std::move(arguments), std::move(on_reply));
}

void BatchAppender::OnAnswer(Partition& partition, const redis::Reply& reply) {
  if (!reply.ok()) {
    counts_.retries.Increment();
    if (!reply.lost()) {
      log::Refusal("append_refused", {{"stream", partition.key},
                                      {"reason", reply.error()},
                                      {"next", "retrying, nothing is acknowledged"}});
      RetryLater(partition);
    }
    return;  // lost: OnConnected sends again
  }
  // Of a batch with fields: the entry's id, and which were refused.
  for (size_t i = 1; i < reply.size(); ++i) {
    RefuseField(partition.sent, static_cast<size_t>(reply[i].integer()));
  }
  partition.appended = true;
  if (partition.told_early) return AskForReaders(partition);
  if (!partition.asked) Settle(partition);  // else OnReaders does
}

bool BatchAppender::WantsReaders(const Batch& batch) const {
  return options_.readers_ms > 0 &&
         std::any_of(batch.acks.begin(), batch.acks.end(), [](const OwedAck& ack) {
           return ack.reason == mqtt::ReasonCode::kNoMatchingSubscribers;
         });
}

// Redis answers it behind the append: who had subscribed before is listed.
void BatchAppender::AskForReaders(Partition& partition) {
  const auto index = static_cast<size_t>(&partition - partitions_.data());
  const std::string oldest = std::to_string(reactor_.wall().value - options_.readers_ms);
  redis_.Send({"ZRANGEBYSCORE", options_.readers[index], oldest, "+inf", "LIMIT", "0", "2"},
              [this, &partition, attempt = partition.attempt](const redis::Reply& reply) {
                if (attempt == partition.attempt) OnReaders(partition, reply);
              });
}

void BatchAppender::OnReaders(Partition& partition, const redis::Reply& reply) {
  if (reply.lost()) return;   // the batch is sent again
  if (!partition.appended) {  // Redis had to be told the script of the append first
    partition.told_early = true;
    return;
  }
  bool others = !reply.ok();
  for (size_t i = 0; reply.ok() && i < reply.size(); ++i) {
    others |= reply[i].text() != options_.pod.str();
  }
  for (OwedAck& ack : partition.sent.acks) {
    if (others && ack.reason == mqtt::ReasonCode::kNoMatchingSubscribers) {
      ack.reason = mqtt::ReasonCode::kSuccess;
    }
  }
  partition.asked = false;
  Settle(partition);
}

void BatchAppender::RefuseField(Batch& batch, size_t index) {
  if (index >= batch.field_acks.size()) return;
  probe_.Refuse("retained_full");
  log::Refusal("retained_full", {{"topic", batch.fields[2 * index]},
                                 {"messages_max", options_.hash_fields_max},
                                 {"bytes_max", options_.hash_bytes_max},
                                 {"next", "delivered, not retained"}});
  const OwedAck& ack = batch.field_acks[index];
  if (ack.packet_id == 0 || ack.type != mqtt::PacketType::kPuback) return;
  const auto owed = std::find_if(batch.acks.begin(), batch.acks.end(), [&](const OwedAck& other) {
    return other.packet_id == ack.packet_id && other.session.packed() == ack.session.packed();
  });
  if (owed != batch.acks.end()) owed->reason = mqtt::ReasonCode::kQuotaExceeded;
}

void BatchAppender::Confirm(uint32_t index, std::string_view pod, uint64_t sequence) {
  Partition& partition = partitions_[index];
  if (!partition.on_its_way || partition.sent.sequence != sequence || pod != options_.pod.str())
    return;
  // The answer says what was refused, or is asked who else reads.
  if (!partition.sent.fields.empty() || partition.asked) return;
  ++partition.attempt;
  Settle(partition);
}

void BatchAppender::Settle(Partition& partition) {
  Batch& sent = partition.sent;
  const int64_t now_us = MonotonicMicros();
  counts_.append_us.Observe(now_us - partition.sent_us);
  counts_.ack_us.Observe(now_us - sent.opened_us);
  counts_.batches.Increment();
  buffered_bytes_ -= sent.size();
  partition.in_doubt = false;
  const bool has_next = !partition.full.empty();
  partition.on_its_way = has_next;  // what comes meanwhile goes behind it
  std::vector<OwedAck> acks = std::exchange(sent.acks, {});
  std::vector<absl::AnyInvocable<void()>> waits = std::exchange(sent.waits, {});
  sent.Clear();
  for (auto& then : waits) then();
  on_appended_(acks);
  acks.clear();
  if (sent.acks.empty()) sent.acks.swap(acks);  // keeps the capacity
  if (has_next) {
    sent = std::move(partition.full.front());
    partition.full.pop_front();
    SendBatch(partition);
  } else if (!partition.open.bytes.empty()) {
    Touch(partition);
  }
}

void BatchAppender::RetryLater(Partition& partition) {
  reactor_.After(kRefusedRetryMs, [this, &partition, attempt = partition.attempt] {
    if (!redis_.connected() || attempt != partition.attempt) return;
    partition.in_doubt ? SendAgain(partition) : SendBatch(partition);
  });
}

bool BatchAppender::idle() const {
  return std::all_of(partitions_.begin(), partitions_.end(), [](const Partition& partition) {
    return partition.open.bytes.empty() && !partition.on_its_way;
  });
}

void BatchAppender::OnConnected() {
  for (Partition& partition : partitions_) {
    if (!partition.on_its_way) continue;
    partition.in_doubt = true;
    SendAgain(partition);
  }
}

}  // namespace homeport::gateway
