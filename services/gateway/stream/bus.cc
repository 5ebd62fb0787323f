#include "services/gateway/stream/bus.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/routing/envelope.h"
#include "libs/routing/keys.h"
#include "services/gateway/stream/stream_pos.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kErrorPauseMs = 100;
constexpr int64_t kPressedPauseMs = 10;
constexpr int64_t kWakePauseMs = 2;
constexpr std::string_view kEmpty = "0-0";
constexpr std::string_view kReplayCount = "128";

BatchAppender::Options WithStreams(BatchAppender::Options options, uint32_t partitions) {
  for (uint32_t i = 0; i < partitions; ++i) {
    options.streams.push_back(routing::BusKey(i));
    options.hashes.push_back({routing::RetainedKey(i), routing::RetainedBytesKey(i)});
    options.receipts.push_back(routing::BusReceiptsKey(i, options.pod.str()));
    options.readers.push_back(routing::ReadersKey(i));
  }
  return options;
}

constexpr size_t kRememberedBytes = 160;  // what an entry takes beside its bytes
constexpr size_t kScratchBytes = 1 << 20;

std::string_view BatchOf(const redis::Reply& entry) {
  return entry[1].size() == 2 ? entry[1][1].text() : std::string_view();
}

std::string FormatPos(StreamPos pos) { return fmt::format("{}-{}", pos.ms, pos.seq); }

}  // namespace

Bus::Bus(net::Reactor& reactor, redis::Client& redis, redis::Client::Options reader,
         ShardProbe& probe, Options options, uint32_t partitions, uint64_t cache_bytes,
         OnAppended on_appended, OnMessage on_message, IsPressed is_pressed)
    : BatchAppender(reactor, redis, probe, probe.bus, WithStreams(options, partitions),
                    std::move(on_appended)),
      reactor_(reactor),
      redis_(redis),
      probe_(probe),
      pod_(options.pod.str()),
      readers_ms_(options.readers_ms),
      on_message_(std::move(on_message)),
      is_pressed_(std::move(is_pressed)),
      partitions_(partitions),
      cache_bytes_(cache_bytes / partitions),
      streams_(partitions),
      reader_(reactor, std::move(reader), [this](bool connected) { OnReader(connected); }) {
  for (uint32_t i = 0; i < partitions; ++i) partition_of_key_[routing::BusKey(i)] = i;
}

void Bus::Start() {
  reader_.Start();
  if (readers_ms_ > 0) RenewReads();
}

uint32_t Bus::PartitionOf(std::string_view topic) const {
  return routing::BusPartitionOf(topic, partitions_);
}

std::vector<StreamPos> Bus::positions() const {
  std::vector<StreamPos> all;
  for (const Stream& stream : streams_) all.push_back(stream.followed ? stream.last : StreamPos());
  return all;
}

void Bus::Publish(const BusMessage& message, OwedAck ack, std::string_view receipt) {
  const uint32_t partition = PartitionOf(message.topic());
  if (!receipt.empty()) AddReceipt(partition, receipt);
  if (message.retain() && message.only_group().empty()) {
    SetWithBatch(partition, message.topic(),
                 message.payload().empty() ? std::string() : message.SerializeAsString(), ack);
  }
  Append(partition, ack, Haste::kNow, [&](std::string& batch) {
    routing::AppendBatchMessage(batch, message.ByteSizeLong());
    message.AppendToString(&batch);
  });
}

void Bus::Follow(uint32_t partition, OnFollowed on_followed) {
  AfterAppended(partition, [this, partition, on_followed = std::move(on_followed)]() mutable {
    const std::string key = routing::BusKey(partition);
    SayReads(partition);
    redis_.Send(
        {"XREVRANGE", key, "+", "-", "COUNT", "1"},
        [this, partition, on_followed = std::move(on_followed)](const redis::Reply& reply) mutable {
          OnTail(partition, reply, std::move(on_followed));
        });
  });
}

void Bus::OnTail(uint32_t partition, const redis::Reply& reply, OnFollowed on_followed) {
  if (!reply.ok()) return on_followed(absl::UnavailableError(std::string(reply.error())));
  const std::string_view tail = reply.size() > 0 ? reply[0][0].text() : kEmpty;
  Stream& stream = streams_[partition];
  if (!std::exchange(stream.followed, true)) {
    stream.last = ParseStreamPos(tail);
    stream.recent_from = stream.last;
    Wake();
  }
  on_followed(ParseStreamPos(tail));
}

void Bus::SayReads(uint32_t partition) {
  if (readers_ms_ == 0) return;
  const std::string key = routing::ReadersKey(partition);
  const std::string now = std::to_string(reactor_.wall().value);
  redis_.Send({"ZADD", key, now, pod_}, [](const redis::Reply&) {});
}

// Those that are no more leave the list by the way.
void Bus::RenewReads() {
  const std::string oldest = "(" + std::to_string(reactor_.wall().value - readers_ms_);
  for (uint32_t i = 0; i < partitions_; ++i) {
    if (!streams_[i].followed) continue;
    SayReads(i);
    const std::string key = routing::ReadersKey(i);
    redis_.Send({"ZREMRANGEBYSCORE", key, "-inf", oldest}, [](const redis::Reply&) {});
  }
  constexpr int64_t kRenewals = 6;
  reactor_.After(readers_ms_ / kRenewals, [this] { RenewReads(); });
}

void Bus::OnReader(bool connected) {
  reading_ = false;
  arrived_.clear();  // they are read again
  reader_id_ = 0;
  if (connected) AskReaderId();
}

void Bus::AskReaderId() {
  reader_.Send({"CLIENT", "ID"}, [this](const redis::Reply& reply) {
    if (reply.lost()) return;  // the next connection asks
    if (!reply.ok()) {
      log::Refusal("bus_read_failed", {{"reason", reply.error()}, {"next", "again in a moment"}});
      reactor_.After(kErrorPauseMs, [this] {
        if (reader_id_ == 0) AskReaderId();
      });
      return;
    }
    reader_id_ = reply.integer();
    Read();
  });
}

// The blocked reader does not know of a stream that is followed from now on. Its XREAD goes by
// another connection: it may come to Redis later than this.
void Bus::Wake() {
  if (!reading_) return Read();
  const std::string id = std::to_string(reader_id_);
  redis_.Send({"CLIENT", "UNBLOCK", id}, [this, read = reads_](const redis::Reply& reply) {
    const bool was_early = reply.ok() && reply.integer() == 0 && reading_ && read == reads_;
    if (!was_early) return;
    reactor_.After(kWakePauseMs, [this, read] {
      if (reading_ && read == reads_) Wake();
    });
  });
}

void Bus::Read() {
  if (reading_ || reader_id_ == 0) return;
  std::vector<std::string> keys, ids;
  for (uint32_t i = 0; i < partitions_; ++i) {
    if (!streams_[i].followed) continue;
    keys.push_back(routing::BusKey(i));
    ids.push_back(FormatPos(streams_[i].last));
  }
  if (keys.empty()) return;
  std::vector<std::string_view> arguments = {"XREAD", "COUNT", "128", "BLOCK", "1000", "STREAMS"};
  arguments.insert(arguments.end(), keys.begin(), keys.end());
  arguments.insert(arguments.end(), ids.begin(), ids.end());
  reading_ = true;
  ++reads_;
  reader_.Send(arguments, [this](const redis::Reply& reply) {
    if (reply.lost()) return;  // the next connection reads on
    if (!reply.ok()) {
      reading_ = false;
      log::Refusal("bus_read_failed", {{"reason", reply.error()}});
      reactor_.After(kErrorPauseMs, [this] { Read(); });
      return;
    }
    // Behind what has come to the inbox by now: a session that was taken over gets nothing more.
    arrived_ = ParseEntries(reply);
    reactor_.Defer([this, read = reads_] {
      if (read == reads_ && reading_) HandOn();
    });
  });
}

void Bus::HandOn() {
  while (!arrived_.empty()) {
    if (is_pressed_()) {
      probe_.Refuse("bus_pressed");
      log::Refusal("bus_waits", {{"reason", "too many writes of kept sessions wait for Redis"},
                                 {"entries", arrived_.size()},
                                 {"next", "again in 10 ms"}});
      reactor_.After(kPressedPauseMs, [this, read = reads_] {
        if (read == reads_ && reading_) HandOn();
      });
      return;
    }
    Arrived entry = std::move(arrived_.front());
    arrived_.pop_front();
    Stream& stream = streams_[entry.partition];
    OnEntry(std::move(entry));
    RunWaits(stream);
  }
  reading_ = false;
  Read();
}

void Bus::RunWaits(Stream& stream) {
  while (!stream.waits.empty() && stream.waits.begin()->first <= stream.last) {
    auto first = stream.waits.extract(stream.waits.begin());
    first.mapped()();
  }
}

void Bus::AfterRead(uint32_t partition, StreamPos pos, absl::AnyInvocable<void()> then) {
  Stream& stream = streams_[partition];
  if (pos <= stream.last) return then();
  stream.waits.emplace(pos, std::move(then));
}

// [[stream, [[id, [field, value]], …]], …], or nil when the wait was in vain.
std::deque<Bus::Arrived> Bus::ParseEntries(const redis::Reply& reply) {
  std::deque<Arrived> arrived;
  for (size_t i = 0; i < reply.size(); ++i) {
    const auto partition = partition_of_key_.find(reply[i][0].text());
    if (partition == partition_of_key_.end()) continue;
    const redis::Reply entries = reply[i][1];
    for (size_t k = 0; k < entries.size(); ++k) {
      arrived.push_back({partition->second, ParseStreamPos(entries[k][0].text()),
                         std::string(BatchOf(entries[k]))});
    }
  }
  return arrived;
}

void Bus::OnEntry(Arrived entry) {
  Stream& stream = streams_[entry.partition];
  stream.last = entry.pos;
  const SharedBatch batch =
      Parse(NewBatch(entry.bytes.size()), entry.partition, entry.pos, entry.bytes);
  if (!batch) return;
  Confirm(entry.partition, batch->pod(), batch->sequence());
  // Appended again because an answer was lost.
  if (!stream.seen.IsNew(batch->pod(), batch->sequence(), stream.last.ms)) return;
  auto remembered = std::make_shared<Remembered>(Remembered{entry.pos, std::move(entry.bytes), {}});
  Remember(stream, remembered);
  Tell(entry.partition, entry.pos, batch, on_message_);
  const bool is_held = batch.use_count() > 2;  // by others than this and the scratch
  if (!is_held) return;
  remembered->parsed = batch;
  scratch_.reset();
}

Bus::SharedBatch Bus::NewBatch(size_t bytes) {
  scratch_bytes_ += bytes;
  if (scratch_ == nullptr || scratch_bytes_ > kScratchBytes) {
    scratch_ = std::make_shared<internal::v1::BusBatch>();
    scratch_bytes_ = bytes;
  }
  return scratch_;
}

Bus::SharedBatch Bus::Recall(uint32_t partition, Remembered& entry) const {
  SharedBatch batch = entry.parsed.lock();
  if (batch) return batch;
  batch = Parse(std::make_shared<internal::v1::BusBatch>(), partition, entry.pos, entry.bytes);
  entry.parsed = batch;
  return batch;
}

Bus::SharedBatch Bus::Parse(SharedBatch into, uint32_t partition, StreamPos pos,
                            std::string_view bytes) const {
  if (into->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && into->version() == 1) {
    return into;
  }
  probe_.Refuse("bus_entry_malformed");
  log::Refusal("bus_entry_malformed",
               {{"partition", partition}, {"id", FormatPos(pos)}, {"next", "skipped"}});
  return nullptr;
}

void Bus::Tell(uint32_t partition, StreamPos pos, const SharedBatch& batch, OnMessage& each) {
  uint32_t index = 0;
  for (const BusMessage& message : batch->messages()) {
    each(partition, {pos, index++}, SharedMessage(batch, &message));
  }
}

void Bus::Remember(Stream& stream, std::shared_ptr<Remembered> entry) const {
  stream.recent_bytes += kRememberedBytes + entry->bytes.size();
  stream.recent.push_back(std::move(entry));
  while (stream.recent_bytes > cache_bytes_ && !stream.recent.empty()) {
    stream.recent_bytes -= kRememberedBytes + stream.recent.front()->bytes.size();
    stream.recent_from = stream.recent.front()->pos;
    stream.recent.pop_front();
  }
}

struct Bus::Replaying {
  uint32_t partition = 0;
  StreamPos from;
  StreamPos to;
  OnMessage each;
  OnEnd on_end;
  SeenBatches seen;
};

void Bus::Replay(uint32_t partition, StreamPos from, StreamPos to, OnMessage each, OnEnd on_end) {
  const Stream& stream = streams_[partition];
  if (stream.followed && from >= stream.recent_from) {
    const auto behind = std::upper_bound(
        stream.recent.begin(), stream.recent.end(), from,
        [](StreamPos pos, const auto& remembered) { return pos < remembered->pos; });
    const std::vector<std::shared_ptr<Remembered>> entries(behind, stream.recent.end());
    from = std::max(from, stream.last);
    for (const std::shared_ptr<Remembered>& entry : entries) {
      if (entry->pos > to) break;
      if (const SharedBatch batch = Recall(partition, *entry)) {
        Tell(partition, entry->pos, batch, each);
      }
    }
  }
  if (from >= to) return on_end(true);
  ReplayPage(std::make_shared<Replaying>(
      Replaying{partition, from, to, std::move(each), std::move(on_end), {}}));
}

void Bus::ReplayPage(std::shared_ptr<Replaying> replaying) {
  const std::string key = routing::BusKey(replaying->partition);
  const std::string from = "(" + FormatPos(replaying->from);
  const std::string to = FormatPos(replaying->to);
  redis_.Send({"XRANGE", key, from, to, "COUNT", kReplayCount}, [this, replaying](
                                                                    const redis::Reply& reply) {
    if (!reply.ok()) return replaying->on_end(false);
    if (reply.size() == 0) return replaying->on_end(true);
    for (size_t i = 0; i < reply.size(); ++i) {
      replaying->from = ParseStreamPos(reply[i][0].text());
      const SharedBatch batch = Parse(std::make_shared<internal::v1::BusBatch>(),
                                      replaying->partition, replaying->from, BatchOf(reply[i]));
      // Appended again because an answer was lost.
      const bool is_new =
          batch && replaying->seen.IsNew(batch->pod(), batch->sequence(), replaying->from.ms);
      if (is_new) Tell(replaying->partition, replaying->from, batch, replaying->each);
    }
    ReplayPage(replaying);
  });
}

}  // namespace homeport::gateway
