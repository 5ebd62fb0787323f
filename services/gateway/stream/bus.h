#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/strings.h"
#include "services/gateway/stream/batch_appender.h"
#include "services/gateway/stream/seen_batches.h"

namespace homeport::gateway {

using BusMessage = internal::v1::BusMessage;
using SharedMessage = std::shared_ptr<const BusMessage>;  // shared by the sessions it goes to

// An entry's place in a stream of Redis: "<ms>-<seq>".
struct StreamPos {
  uint64_t ms = 0;
  uint64_t seq = 0;
  friend auto operator<=>(const StreamPos&, const StreamPos&) = default;
};

// A message's place: its entry, and which of the entry's messages it is.
struct BusPlace {
  StreamPos pos;
  uint32_t index = 0;
  friend auto operator<=>(const BusPlace&, const BusPlace&) = default;
};

// Messages between clients, across pods: partitioned streams that every pod reads as far as its
// subscriptions need. A pod appends what its clients publish and delivers what it reads, its own
// messages included, so all see the messages of a topic in one order. Shard's thread only.
class Bus : public BatchAppender {
 public:
  using OnMessage =
      absl::AnyInvocable<void(uint32_t partition, const BusPlace&, const SharedMessage&)>;
  using OnFollowed = absl::AnyInvocable<void(absl::StatusOr<StreamPos>)>;
  using IsPressed = absl::AnyInvocable<bool()>;

  // Reading has its own connection, which it blocks. While `is_pressed`, entries stay in Redis.
  Bus(net::Reactor& reactor, redis::Client& redis, redis::Client::Options reader, ShardProbe& probe,
      Options options, uint32_t partitions, uint64_t cache_bytes, OnAppended on_appended,
      OnMessage on_message, IsPressed is_pressed);

  void Start();
  void Stop() { reader_.Stop(); }
  // Reading begins anew, on another connection.
  void Reconnect() { reader_.Reconnect(); }

  // A retained message becomes, or with an empty payload ends, the topic's retained message
  // [MQTT-3.3.1-5, -6].
  void Publish(const BusMessage& message, OwedAck ack, std::string_view receipt = {});

  // Yields the end of the partition at a moment after the call, behind what this pod was to publish
  // before it: a client's own messages are earlier than its later subscription. What is appended
  // behind that end will be read. Error: Unavailable.
  void Follow(uint32_t partition, OnFollowed on_followed);

  // Runs `then` once a followed partition has been read up to `pos`: at once where it has.
  void AfterRead(uint32_t partition, StreamPos pos, absl::AnyInvocable<void()> then);

  // Tells `each` of the partition's messages behind `from` and up to `to`, in order, then calls
  // `on_end`: true when none was missed but what the stream no longer has.
  using OnEnd = absl::AnyInvocable<void(bool complete)>;
  void Replay(uint32_t partition, StreamPos from, StreamPos to, OnMessage each, OnEnd on_end);

  [[nodiscard]] uint32_t partitions() const { return partitions_; }
  [[nodiscard]] bool IsFollowed(uint32_t partition) const { return streams_[partition].followed; }
  [[nodiscard]] std::vector<StreamPos> positions() const;
  // Up to where a followed partition has been read.
  [[nodiscard]] StreamPos position(uint32_t partition) const { return streams_[partition].last; }
  [[nodiscard]] uint32_t PartitionOf(std::string_view topic) const;

 private:
  using SharedBatch = std::shared_ptr<internal::v1::BusBatch>;
  // As it came, which takes a fraction of the memory; who replays it parses it again, unless its
  // messages are still held by others.
  struct Remembered {
    StreamPos pos;
    std::string bytes;
    std::weak_ptr<internal::v1::BusBatch> parsed;
  };
  struct Stream {
    bool followed = false;
    std::deque<std::shared_ptr<Remembered>> recent;  // every entry read behind recent_from
    StreamPos recent_from;
    size_t recent_bytes = 0;
    StreamPos last;
    SeenBatches seen;
    std::multimap<StreamPos, absl::AnyInvocable<void()>> waits;  // of AfterRead
  };
  void OnTail(uint32_t partition, const redis::Reply& reply, OnFollowed on_followed);
  // This pod reads the partition: it is in its list of readers, which it renews.
  void SayReads(uint32_t partition);
  void RenewReads();
  void OnReader(bool connected);
  void AskReaderId();
  void Wake();
  void Read();
  struct Arrived {
    uint32_t partition = 0;
    StreamPos pos;
    std::string bytes;
  };
  [[nodiscard]] std::deque<Arrived> ParseEntries(const redis::Reply& reply);
  void HandOn();
  static void RunWaits(Stream& stream);
  void OnEntry(Arrived entry);
  // nullptr where it is malformed.
  [[nodiscard]] SharedBatch Parse(SharedBatch into, uint32_t partition, StreamPos pos,
                                  std::string_view bytes) const;
  [[nodiscard]] SharedBatch NewBatch(size_t bytes);
  [[nodiscard]] SharedBatch Recall(uint32_t partition, Remembered& entry) const;
  static void Tell(uint32_t partition, StreamPos pos, const SharedBatch& batch, OnMessage& each);
  void Remember(Stream& stream, std::shared_ptr<Remembered> entry) const;
  struct Replaying;
  void ReplayPage(std::shared_ptr<Replaying> replaying);

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  const std::string pod_;
  const int64_t readers_ms_;  // how long others believe that this pod reads; 0: nobody asks
  OnMessage on_message_;
  IsPressed is_pressed_;
  const uint32_t partitions_;
  const uint64_t cache_bytes_;  // of one partition
  std::vector<Stream> streams_;
  // What is read is parsed into it, as long as nobody holds on to messages in it. Each place in it
  // keeps room for the largest message that was there, so it serves for so many bytes only.
  SharedBatch scratch_;
  size_t scratch_bytes_ = 0;
  absl::flat_hash_map<std::string, uint32_t, StringHash, StringEqual> partition_of_key_;
  redis::Client reader_;
  int64_t reader_id_ = 0;  // Redis's number of the reading connection
  bool reading_ = false;
  std::deque<Arrived> arrived_;  // and not handed on yet; while there are any nothing is read
  uint64_t reads_ = 0;           // begun
};

}  // namespace homeport::gateway
