#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "libs/base/ids.h"
#include "libs/net/paced_task.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/probe.h"
#include "services/gateway/session/owed_ack.h"

namespace homeport::gateway {

// Collects messages into one open batch per partition of a family of streams, and appends the
// batches to Redis. Shard's thread only.
//
// Order: a partition has at most one batch on its way, and those that are full wait behind it, so
// batches are appended in order whatever fails; a batch whose answer was lost is appended again if
// it is not in its stream, under the same sequence number, by which readers recognise one that came
// there meanwhile. Nothing is dropped here:
// when `bytes_max` is reached, Full() tells the callers to stop reading.
class BatchAppender {
 public:
  struct Options {
    PodId pod;
    std::vector<std::string> streams;  // the key of each partition
    // For SetWithBatch, of each partition: the hash beside its stream, and the key that counts its
    // bytes; may be empty.
    struct Hash {
      std::string key;
      std::string bytes_key;
    };
    std::vector<Hash> hashes;
    // For AddReceipt, of each partition: the key of the list of receipts of the last batches with
    // any. Many: the session may be another's by the time that those of the one are to be noted
    // there, and that one may ask only later.
    std::vector<std::string> receipts;
    // Who reads each partition, and how long that is believed; 0: nobody is asked.
    std::vector<std::string> readers;
    int64_t readers_ms = 0;
    uint64_t hash_fields_max = 1'000'000;
    uint64_t hash_bytes_max = 1 << 30;
    int64_t keep_ms = 0;                // older entries are trimmed; 0: by whoever has read them
    size_t bytes_max = 64 << 20;        // buffered: open and unanswered batches together
    size_t batch_bytes_max = 64 << 10;  // a batch is full with the message that reaches it
    int64_t window_ms = 2;              // how long a batch may wait for company
    int64_t patience_ms = 100;          // … when nobody waits for anything in it
  };
  using OnAppended = absl::AnyInvocable<void(std::span<const OwedAck>)>;

  // `on_appended` is told of the acknowledgements of each appended batch.
  BatchAppender(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, AppendProbe& counts,
                Options options, OnAppended on_appended);

  [[nodiscard]] bool Full() const { return buffered_bytes_ >= options_.bytes_max; }

  // A message that nobody waits for may wait for others: batches of nothing else leave together, of
  // all partitions, at most once in `patience_ms`. In a storm of connections that makes one visit
  // to Redis of what would be one for each.
  enum class Haste : uint8_t { kNow, kCanWait };

  // `write` appends one message to the bytes of the partition's open batch. `ack` is owed for it
  // (packet_id 0: none). That it says kNoMatchingSubscribers is this pod's word: where another pod
  // reads the partition, it becomes kSuccess.
  template <typename Write>
  void Append(uint32_t partition, OwedAck ack, Haste haste, Write write) {
    Partition& to = partitions_[partition];
    const size_t before = to.open.bytes.size();
    write(to.open.bytes);
    Appended(to, before, ack, haste);
  }
  // An acknowledgement for something that is not appended, to follow those of `partition` before
  // it.
  void AppendAck(uint32_t partition, OwedAck ack);
  // Runs `then` once what `partition` has been given until now stands in its stream: at once where
  // nothing is on its way.
  void AfterAppended(uint32_t partition, absl::AnyInvocable<void()> then);
  // The same of all partitions.
  void AfterAllAppended(absl::AnyInvocable<void()> then);
  // Runs in the same transaction as the append of the open batch: HSET, or HDEL where `value` is
  // empty, of the hash that Options::hashes names. Where the hash is full the field is removed, and
  // `ack`, where it is the PUBACK of the message that follows, says kQuotaExceeded.
  void SetWithBatch(uint32_t partition, std::string_view field, std::string value, OwedAck ack);

  // Of the message that follows (ownership/receipts.h): set in the same transaction as the append.
  void AddReceipt(uint32_t partition, std::string_view receipt);

  // The batch was read back from its stream, which is as good as the answer that may yet come: what
  // is acknowledged so is told before what was read.
  void Confirm(uint32_t partition, std::string_view pod, uint64_t sequence);

  // After the connection to Redis came up.
  void OnConnected();
  [[nodiscard]] size_t buffered_bytes() const { return buffered_bytes_; }
  // Nothing is open and nothing unanswered.
  [[nodiscard]] bool idle() const;

 private:
  struct Batch {
    std::string bytes;
    std::vector<OwedAck> acks;
    std::vector<std::string> fields;                // field and value in turn, of SetWithBatch
    std::vector<OwedAck> field_acks;                // of each field
    std::string receipts;                           // of AddReceipt
    std::vector<absl::AnyInvocable<void()>> waits;  // of AfterAppended
    uint64_t sequence = 0;                          // once it is closed
    uint64_t messages = 0;
    size_t extra_bytes = 0;  // of fields and receipts
    int64_t opened_us = 0;   // when the first message came
    int64_t closed_ms = 0;   // wall clock
    bool can_wait = true;    // all in it can, so its reader may let it wait, too
    bool awaited = false;    // somebody waits until it is appended

    [[nodiscard]] size_t size() const { return bytes.size() + extra_bytes; }
    [[nodiscard]] bool may_rest() const { return can_wait && !awaited; }
    void Clear();  // keeps the capacity
  };
  struct Partition {
    std::string key;
    Batch open;
    std::deque<Batch> full;  // closed, behind the one on its way
    Batch sent;
    uint64_t sequence = 0;  // of the batch closed last
    int64_t sent_us = 0;
    uint32_t attempt = 0;     // answers to earlier attempts are ignored
    bool on_its_way = false;  // `sent` awaits Redis's answer
    bool in_doubt = false;    // … which was lost once: it may be in its stream
    bool asked = false;       // … and to be told of its readers
    bool told_early = false;  // … of which Redis spoke before the append
    bool appended = false;    // `sent` is in its stream
    bool dirty = false;       // listed in dirty_
    bool patient = false;     // listed in patient_
  };

  void Appended(Partition& partition, size_t before, OwedAck ack, Haste haste);
  // Somebody waits for `last`, the partition's: it rests no longer.
  void Await(Partition& partition, const Batch& last);
  void Touch(Partition& partition);
  void Flush();
  [[nodiscard]] static Batch* LastOf(Partition& partition);
  void AwaitPatience(Partition& partition);
  void Close(Partition& partition);
  void SendBatch(Partition& partition);
  // After its answer was lost.
  void SendAgain(Partition& partition);
  void FindNext();
  void OnFound(Partition& partition, const redis::Reply& reply);
  void SendWithFields(Partition& partition, redis::Client::OnReply on_reply);
  void SendWithReceipts(Partition& partition, redis::Client::OnReply on_reply);
  void OnAnswer(Partition& partition, const redis::Reply& reply);
  void RefuseField(Batch& batch, size_t index);
  [[nodiscard]] bool WantsReaders(const Batch& batch) const;
  void AskForReaders(Partition& partition);
  void OnReaders(Partition& partition, const redis::Reply& reply);
  void Settle(Partition& partition);
  void RetryLater(Partition& partition);

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  AppendProbe& counts_;
  Options options_;
  OnAppended on_appended_;
  std::vector<Partition> partitions_;
  std::vector<uint32_t> dirty_;    // to be sent with the next flush
  std::vector<uint32_t> patient_;  // … with the next that patience has an end for
  std::deque<Partition*> doubts_;  // in_doubt, and to be looked for
  bool finding_ = false;           // one of them
  size_t buffered_bytes_ = 0;
  MonoMs patience_until_;
  net::PacedTask flush_;
};

}  // namespace homeport::gateway
