#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "libs/mqtt/inflight.h"
#include "libs/mqtt/types.h"
#include "services/gateway/bus.h"

namespace homeport::gateway {

// A PUBLISH on its way to one client.
struct OutMessage {
  SharedMessage message;
  std::vector<uint32_t> subscription_ids;
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  bool retain = false;
};

// The QoS 1 and 2 messages of one session that its client has not acknowledged: first those sent,
// in the order sent, then those that wait for the client's receive maximum. Pure; packet ids are
// never 0 and never in use twice [MQTT-2.2.1-4].
class Outbound {
 public:
  struct Entry {
    OutMessage out;  // no message any more while PUBCOMP is awaited
    uint16_t packet_id = 0;
    mqtt::Awaiting awaiting = mqtt::Awaiting::kPuback;
  };

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] size_t waiting() const { return entries_.size() - sent_; }

  void Push(OutMessage out) { entries_.push_back({std::move(out)}); }
  // The next message to send, with its packet id; nullptr when `window` are under way or none
  // waits. Valid until the next call.
  [[nodiscard]] Entry* Next(size_t window);
  // A message that need not be sent after all, just taken by Next.
  void DropLast();

  // PUBACK or PUBCOMP. False when the id awaits no such answer.
  bool Complete(uint16_t packet_id, mqtt::Awaiting answer);
  // PUBREC: from now on PUBCOMP is awaited. False when the id awaits no PUBREC.
  bool Received(uint16_t packet_id);

 private:
  [[nodiscard]] Entry* Find(uint16_t packet_id);

  std::deque<Entry> entries_;
  size_t sent_ = 0;  // the first so many
  uint16_t last_id_ = 0;
};

}  // namespace homeport::gateway
