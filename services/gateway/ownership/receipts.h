#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/mqtt/inflight.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/session/session.h"

namespace homeport::gateway {

// What a session that outlives its connection has received of QoS 2, as whoever has the session
// next finds it in Redis [MQTT-4.3.3-10]. A publish is in its stream before its packet id is noted
// in the session. A pod that dies between the two leaves a receipt, which is written with the batch
// and stays until some hundred more are.

// Field `in` of the kept session: "<epoch> <number of the last publish>", then of each publish that
// was not released its packet id, and, where it was on its way to its stream, "?" and its number.
struct ReceivedRecord {
  uint64_t epoch = 0;  // of the session that wrote it
  uint32_t last = 0;
  std::vector<mqtt::InboundQos2Ids::Entry> entries;

  [[nodiscard]] bool all_stored() const;
};
// REQUIRES: the session is kept.
[[nodiscard]] std::string FormatReceived(const Session& session);
// What is not of that form is left out.
[[nodiscard]] ReceivedRecord ParseReceived(std::string_view text);
// Those that are in their streams go into `ids`.
void RestoreReceived(const ReceivedRecord& record, mqtt::InboundQos2Ids& ids);

// Bytes that may be strung together; one Receipts when they are.
[[nodiscard]] std::string MakeReceipt(const Identity& identity, uint64_t epoch,
                                      mqtt::InboundQos2Ids::Entry publish);

// What a pod's receipts say, by client (of Receipt).
using PodReceipts = absl::flat_hash_map<uint64_t, std::vector<internal::v1::Receipt>>;

// A session's last owner, who does not say what it has received.
struct Doubt {
  std::string pod;
  uint64_t client = 0;
  uint64_t epoch = 0;
  ReceivedRecord record;
};
[[nodiscard]] Doubt MakeDoubt(std::string_view pod, const Identity& identity, uint64_t epoch,
                              std::string_view received);
// The packet ids that are in their streams without being noted as such.
[[nodiscard]] std::vector<uint16_t> Settle(const Doubt& doubt, const PodReceipts& receipts);

// Reads the receipts of pods. Shard's thread only.
class Receipts {
 public:
  // nullptr: Redis did not answer.
  using OnRead = absl::AnyInvocable<void(const PodReceipts*)>;

  Receipts(net::Reactor& reactor, redis::Client& redis, uint32_t uplink_partitions,
           uint32_t bus_partitions)
      : reactor_(reactor),
        redis_(redis),
        uplink_partitions_(uplink_partitions),
        bus_partitions_(bus_partitions) {}

  // As of a moment after the call, and soon: all who ask for a pod's meanwhile share one reading.
  void Read(const std::string& pod, OnRead on_read);

 private:
  struct Reading {
    std::vector<OnRead> asked;
    size_t open = 0;
    bool failed = false;
    PodReceipts found;
  };
  void BeginSoon(const std::string& pod);
  void Begin(const std::string& pod);
  void OnReply(const std::string& pod, const std::shared_ptr<Reading>& reading,
               const redis::Reply& reply);

  net::Reactor& reactor_;
  redis::Client& redis_;
  const uint32_t uplink_partitions_;
  const uint32_t bus_partitions_;
  std::map<std::string, std::vector<OnRead>> next_;  // of each pod whose receipts are being read
};

}  // namespace homeport::gateway
