#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "libs/routing/envelope.h"
#include "services/gateway/probe.h"
#include "services/gateway/session.h"

namespace homeport::gateway {

// A PUBACK or PUBREC owed to a session, due when the batch it stands in has been appended.
struct OwedAck {
  SessionHandle session;
  uint16_t packet_id = 0;
  mqtt::PacketType type = mqtt::PacketType::kPuback;
  mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess;
};

// Everything going up: collects messages into one open batch per stream partition and appends the
// batches to Redis. Shard's thread only.
//
// Order: a partition has at most one batch on its way, so batches are appended in order whatever
// fails; a batch whose answer was lost is appended again under the same sequence number, by which
// the registry recognises it. Nothing is dropped here: when `bytes_max` is reached, Full() tells
// the callers to stop reading.
class Uplink {
 public:
  struct Options {
    PodId pod;
    uint32_t partitions = 64;
    size_t bytes_max = 64 << 20;  // buffered: open and unanswered batches together
    size_t batch_bytes_max = 64 << 10;
    int64_t window_ms = 2;  // how long a batch may wait for company
  };
  using OnAppended = absl::AnyInvocable<void(std::span<const OwedAck>)>;

  // `on_appended` is told of the acknowledgements of each appended batch.
  Uplink(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, Options options,
         OnAppended on_appended);

  [[nodiscard]] bool Full() const { return buffered_bytes_ >= options_.bytes_max; }

  // The message, and the acknowledgement owed for it (packet_id 0: none).
  void Append(const routing::Uplink& message, OwedAck ack);
  // An acknowledgement for something that is not appended, to follow those of `device` before it.
  void AppendAck(std::string_view device, OwedAck ack);

  // After the connection to Redis came up.
  void OnConnected();
  [[nodiscard]] size_t buffered_bytes() const { return buffered_bytes_; }
  // Nothing is open and nothing unanswered.
  [[nodiscard]] bool idle() const;

 private:
  struct Partition {
    std::string key;
    std::string open;
    std::vector<OwedAck> open_acks;
    std::string sent;
    std::vector<OwedAck> sent_acks;
    uint64_t sequence = 0;
    uint64_t open_messages = 0;
    int64_t opened_us = 0;  // when the first message of `open` came
    int64_t first_us = 0;   // the same, of `sent`
    int64_t sent_us = 0;
    uint32_t attempt = 0;     // answers to earlier attempts are ignored
    bool on_its_way = false;  // `sent` awaits Redis's answer
    bool dirty = false;       // listed in dirty_
  };

  Partition& Of(std::string_view device);
  void Touch(Partition& partition);
  void Flush();
  void Close(Partition& partition);
  void SendBatch(Partition& partition);
  void OnAnswer(Partition& partition, const redis::Reply& reply);
  void RetryLater(Partition& partition);

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  Options options_;
  OnAppended on_appended_;
  std::vector<Partition> partitions_;
  std::vector<uint32_t> dirty_;
  size_t buffered_bytes_ = 0;
  MonoMs last_flush_;
  bool flush_scheduled_ = false;
};

}  // namespace homeport::gateway
