#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "libs/mqtt/publish_view.h"
#include "services/gateway/ownership/receipts.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// What clients are owed for what they publish: PUBACK and PUBREC once Redis has the message, in the
// order of their publishes [MQTT-4.6.0-2], and PUBCOMP. Shard's thread only.
class PublishAcks {
 public:
  // Where a publish goes: the uplink partition of the session's own device, whose appends end in
  // their order, or another stream.
  enum class Stream : uint8_t { kOwn, kOther };

  explicit PublishAcks(ShardContext& context) : c_(context) {}

  // Whether the session may have one more outstanding: else the frame is to be offered again. In
  // version 5 some clients do not keep to the receive maximum: theirs of QoS 1 wait as well, and
  // one of QoS 2, which could wait for a PUBREL behind it, ends the session [MQTT-3.3.4-9]. A QoS 2
  // publish that is sent again waits while the former connection may have received it.
  [[nodiscard]] FrameOutcome CheckWindow(Session& session, const mqtt::PublishView& publish);
  // Whether it repeats a QoS 2 publish that was taken and not released.
  [[nodiscard]] static bool HasReceived(const Session& session, const mqtt::PublishView& publish);
  // The acknowledgement of a publish that is taken; nothing where it is one of QoS 2 too many,
  // which has ended the session. REQUIRES: !HasReceived.
  [[nodiscard]] std::optional<OwedAck> Owe(Session& session, const mqtt::PublishView& publish,
                                           Stream stream);
  // Acknowledges a publish of which nothing is appended, after those still on their way.
  void Answer(Session& session, const mqtt::PublishView& publish, mqtt::ReasonCode reason);
  // A batch is in Redis: sends what was owed for its messages.
  void Send(std::span<const OwedAck> acks);
  FrameOutcome OnPubrel(Session& session, const mqtt::Frame& frame);
  // Another connection had the session until now: what it has received is told by OnFormerEnded. If
  // its pod does not say so within `former-end-ms-max`, the receipts of that pod do.
  void ExpectFormer(Session& session, Doubt doubt);
  // The connection has ended and `heir` goes on without one: what is on its way for it is noted
  // there.
  void Inherit(SessionHandle former, Session& heir);
  // The former connection of a session that goes on has ended. `received`: its QoS 2 publishes that
  // were not released.
  void OnFormerEnded(SessionHandle session, std::span<const uint16_t> received);

 private:
  static FrameOutcome AwaitFormer(Session& session);
  // The session, or its heir while something is on its way for it.
  [[nodiscard]] Session* Find(SessionHandle handle);
  // Once nothing is any more.
  void ForgetHeir(SessionHandle handle);
  // … while it waits for what its former connection has received.
  [[nodiscard]] Session* Awaiting(SessionHandle handle);
  void ReadReceipts(SessionHandle handle, Doubt doubt);
  void NoteStored(std::span<const OwedAck> acks);
  void SendOrdered(Session& session, std::span<const OwedAck> acks);
  void SendNow(Session& session, std::span<const OwedAck> acks);
  [[nodiscard]] static std::string Refusal(const Session& session, const OwedAck& ack);
  void NoteRelease(const Session& session, uint16_t packet_id, mqtt::ReasonCode reason);
  void SendPubcomp(Session& session, uint16_t packet_id, mqtt::ReasonCode reason);
  void SaveQos2Ids(const Session& session);
  [[nodiscard]] size_t Qos2Max(const Session& session) const;

  ShardContext& c_;
  absl::flat_hash_map<uint64_t, SessionHandle> heirs_;  // by the packed handle of the connection
};

}  // namespace homeport::gateway
