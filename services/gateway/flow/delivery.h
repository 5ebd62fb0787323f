#pragma once

#include <optional>
#include <string_view>

#include "services/gateway/inspect/puback_waits.h"
#include "services/gateway/session/outbound.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

enum class DeliveryResult : uint8_t {
  kSent,   // written, or waiting for the client's earlier acknowledgements
  kStale,  // no such session, or a newer epoch
  kNotSubscribed,
  kQueueFull,  // the client acknowledges or reads too slowly
};

// PUBLISH to clients, within their receive maximum: what exceeds it waits in a bounded queue.
// Shard's thread only.
class Delivery {
 public:
  explicit Delivery(ShardContext& context) : c_(context) {}

  struct Message {
    std::string_view topic;
    std::string_view payload;
    int qos = 1;  // lowered to what the subscription was granted
    std::optional<uint32_t> expiry_s{};
  };
  // On one of the device's own topics.
  DeliveryResult Deliver(SessionHandle handle, uint64_t epoch, const Message& message);
  // The same for a typed topic, "device/{did}/down/…", and JSON: as CBOR, on the topic's "/cbor",
  // where the client listens for nothing else.
  DeliveryResult DeliverTyped(SessionHandle handle, uint64_t epoch, const Message& message);
  // Whatever the topic; `out.qos` is what the subscription was granted. An expired message is
  // dropped [MQTT-3.3.2-5].
  // For a session that outlives its connection, QoS 1 and 2 go to its queue in Redis as well, or,
  // while its client is away, only there. `from`: where on the bus the message stands.
  struct Origin {
    uint32_t partition = 0;
    BusPlace place;
    bool again = false;     // the session's former pod may have sent it
    bool replayed = false;  // read back for a session that has moved
  };
  // `on_kept`: what came of the write to its queue, if there was one and kSent is the answer. With
  // kNotOurs the session was another pod's before its queue had the message.
  using OnKept = SessionStore::OnWritten;
  DeliveryResult Send(Session& session, OutMessage out, const Origin* from, OnKept on_kept = {});
  // Whether one more would not be dropped, and, where nothing of it is kept, leave room for others.
  // Into an empty queue always.
  [[nodiscard]] bool HasRoom(const Session& session, const OutMessage& out) const;
  // One message to the client alone, at once or not at all: whatever it has subscribed to, and
  // never queued or kept. `out.qos` is 0 or 1; with 1, `packet_id` becomes the id whose PUBACK to
  // await.
  enum class DirectResult : uint8_t {
    kSent,
    kWindowFull,  // the client has not acknowledged enough, or its socket takes no more
    kTooLarge,    // over the client's maximum packet size
    kEnded,       // the connection broke
  };
  DirectResult SendDirect(Session& session, OutMessage out, uint16_t* packet_id);
  [[nodiscard]] PubackWaits& puback_waits() { return puback_waits_; }

  // A resumed session: sends again what the client had not acknowledged, then what waits.
  void Resume(Session& session);

  FrameOutcome OnPuback(Session& session, const mqtt::Frame& frame);
  FrameOutcome OnPubrec(Session& session, const mqtt::Frame& frame);
  FrameOutcome OnPubcomp(Session& session, const mqtt::Frame& frame);

 private:
  // QoS 0; dropped where too much waits for the client's socket.
  DeliveryResult SendUnacknowledged(Session& session, const OutMessage& out);
  void SendWaiting(Session& session);
  // Writes the message to the session's queue in Redis; nothing when that is full.
  [[nodiscard]] std::optional<Outbound::KeptAs> Keep(Session& session, const OutMessage& out,
                                                     const Origin* from, OnKept on_kept);
  // Makes room in the queue of a session whose client is away.
  void ForgetExpired(const Session& session);
  void OnStored(SessionHandle handle, uint64_t number, SessionStore::Written how);
  void Unkeep(const Session& session, const Outbound::KeptAs& kept);
  [[nodiscard]] bool MayWait(const Outbound& outbound, const BusMessage& message) const;
  [[nodiscard]] std::optional<int64_t> ExpiryOf(const BusMessage& message) const;
  // False when it was dropped.
  bool Write(Session& session, const OutMessage& out, const Outbound::Entry* entry);
  // An exchange with the client has ended.
  void OnComplete(Session& session, uint16_t packet_id, mqtt::Awaiting answer);
  void SendPubrel(Session& session, uint16_t packet_id, mqtt::ReasonCode reason);
  void Drop(const Session& session, std::string_view topic, std::string_view reason,
            std::string_view text);
  [[nodiscard]] size_t Window(const Session& session) const;
  // Ends the session where the answer is not one that the message may get now.
  [[nodiscard]] bool CheckAnswer(Session& session, uint16_t packet_id, mqtt::Awaiting answer);

  ShardContext& c_;
  PubackWaits puback_waits_;
};

}  // namespace homeport::gateway
