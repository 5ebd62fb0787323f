#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/mqtt/inflight.h"
#include "libs/mqtt/types.h"
#include "services/gateway/stream/bus.h"

namespace homeport::gateway {

// A message of a shared subscription on its way to one member.
struct SharedDelivery {
  std::string group;     // "<name>/<filter>"
  bool is_over = false;  // the client has it, or it has gone to another
};

// A PUBLISH on its way to one client.
struct OutMessage {
  SharedMessage message;
  std::vector<uint32_t> subscription_ids;
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  bool retain = false;
  bool again = false;                        // may have been sent on an earlier connection
  std::shared_ptr<SharedDelivery> shared{};  // with whoever waits for the write to the queue
};

// The QoS 1 and 2 messages of one session that its client has not acknowledged: first those sent,
// in the order sent, then those that wait for the client's receive maximum. Pure; packet ids are
// never 0 and never in use twice [MQTT-2.2.1-4]. A kept message has the same id on every connection
// [MQTT-4.4.0-1]: it follows from its number and is of the lower half; others then use the upper.
class Outbound {
 public:
  // What Redis keeps of a message of a session that outlives its connection.
  struct KeptAs {
    uint64_t number = 0;  // in its queue; 0: not kept
    uint32_t bytes = 0;
  };
  struct Entry {
    OutMessage out;  // no message any more while PUBCOMP is awaited
    KeptAs kept;
    uint16_t packet_id = 0;
    mqtt::Awaiting awaiting = mqtt::Awaiting::kPuback;
    bool is_unstored = false;  // to be sent after SetStored
  };

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] size_t waiting() const { return entries_.size() - sent_; }
  [[nodiscard]] size_t under_way() const { return sent_; }
  // About how large a packet the next of those that wait is; 0 where none waits.
  [[nodiscard]] size_t next_bytes() const;
  // Of those that wait.
  [[nodiscard]] size_t waiting_bytes() const { return waiting_bytes_; }
  // Of all of them.
  [[nodiscard]] size_t payload_bytes() const;

  // A kept QoS 2 message waits for SetStored, and what is behind it with it: whoever has the
  // session next must know its packet id, or the client would take it for another message.
  void Push(OutMessage out, KeptAs kept);
  // Redis has the kept message of that number.
  void SetStored(uint64_t number);
  // From now on kept messages may come: others get ids of the upper half.
  void ExpectKept() { has_kept_ = true; }
  // A message of an earlier connection, in order, before any other. Without a message it awaits
  // PUBCOMP and counts as sent.
  void Restore(Entry entry);
  // The next message to send, with its packet id; nullptr when `window` are under way, or none
  // waits that may be sent. Valid until the next call.
  [[nodiscard]] Entry* Next(size_t window);
  // A message that need not be sent after all, just taken by Next.
  void DropLast();

  // Whether the answer is one that the message with that id may get now; also where none has it.
  [[nodiscard]] bool Fits(uint16_t packet_id, mqtt::Awaiting answer);
  // PUBACK or PUBCOMP. Nothing when the id awaits no such answer.
  std::optional<KeptAs> Complete(uint16_t packet_id, mqtt::Awaiting answer);
  // PUBREC: from now on PUBCOMP is awaited. Nothing when the id awaits no PUBREC.
  std::optional<KeptAs> Received(uint16_t packet_id);
  // Of a kept message after Received: it has none in Redis any more.
  void ForgetBytes(uint16_t packet_id) { Find(packet_id)->kept.bytes = 0; }
  // The number of the last kept message that may have been sent; 0: none was.
  [[nodiscard]] uint64_t last_sent_number() const { return last_sent_number_; }
  // Those of shared subscriptions that another client may have instead where the session ends: a
  // QoS 2 message is the first client's once it was sent [MQTT-4.8.2-5].
  template <typename Visit>
  void VisitForOthers(Visit visit) const {
    for (size_t i = 0; i < entries_.size(); ++i) {
      const OutMessage& out = entries_[i].out;
      const bool was_sent = i < sent_ || out.again;
      const bool is_taken = was_sent && out.qos == mqtt::Qos::kExactlyOnce;
      if (out.shared && !is_taken) visit(out);
    }
  }
  // Those sent whose PUBCOMP is awaited.
  template <typename Visit>
  void VisitReleased(Visit visit) const {
    for (size_t i = 0; i < sent_; ++i) {
      if (entries_[i].awaiting == mqtt::Awaiting::kPubcomp) visit(entries_[i].packet_id);
    }
  }

 private:
  [[nodiscard]] Entry* Find(uint16_t packet_id);
  [[nodiscard]] uint16_t NextFreeId();

  std::deque<Entry> entries_;
  size_t sent_ = 0;  // the first so many
  size_t waiting_bytes_ = 0;
  uint16_t last_id_ = 0;
  uint64_t last_sent_number_ = 0;
  bool has_kept_ = false;
};

}  // namespace homeport::gateway
