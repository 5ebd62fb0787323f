#pragma once

#include <string_view>
#include <utility>

#include "libs/routing/envelope.h"
#include "libs/routing/keys.h"
#include "services/gateway/stream/batch_appender.h"

namespace homeport::gateway {

// Everything going up to the registry, in the partition of its device. Shard's thread only.
class Uplink : public BatchAppender {
 public:
  Uplink(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, uint32_t partitions,
         Options options, OnAppended on_appended)
      : BatchAppender(reactor, redis, probe, probe.uplink,
                      WithStreams(std::move(options), partitions), std::move(on_appended)),
        partitions_(partitions) {}

  // The message, the acknowledgement owed for it (packet_id 0: none), and its receipt.
  void Append(const routing::Uplink& message, OwedAck ack, std::string_view receipt = {}) {
    const uint32_t partition = routing::PartitionOf(message.device, partitions_);
    if (!receipt.empty()) AddReceipt(partition, receipt);
    BatchAppender::Append(partition, ack, HasteOf(message.kind),
                          [&](std::string& batch) { routing::AppendUplink(batch, message); });
  }
  // What comes with each connection can wait: presence is for watchers, and the SUBACK does not
  // wait for the delta that is pending.
  [[nodiscard]] static Haste HasteOf(routing::UplinkKind kind) {
    const bool can_wait = kind == routing::UplinkKind::kConnected ||
                          kind == routing::UplinkKind::kDisconnected ||
                          kind == routing::UplinkKind::kShadowListen;
    return can_wait ? Haste::kCanWait : Haste::kNow;
  }
  // Runs `then` once all that was appended of `device` so far is in its stream.
  void AfterAppended(std::string_view device, absl::AnyInvocable<void()> then) {
    BatchAppender::AfterAppended(routing::PartitionOf(device, partitions_), std::move(then));
  }
  // An acknowledgement for something that is not appended, to follow those of `device` before it.
  void AppendAck(std::string_view device, OwedAck ack) {
    BatchAppender::AppendAck(routing::PartitionOf(device, partitions_), ack);
  }

 private:
  static Options WithStreams(Options options, uint32_t partitions) {
    for (uint32_t i = 0; i < partitions; ++i) {
      options.streams.push_back(routing::UplinkKey(i));
      options.receipts.push_back(routing::UplinkReceiptsKey(i, options.pod.str()));
    }
    return options;
  }
  const uint32_t partitions_;
};

}  // namespace homeport::gateway
