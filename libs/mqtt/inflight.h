#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

// Packet identifiers in use (MQTT 5 sections 2.2.1, 4.3 and 4.4). Not thread-safe.
namespace homeport::mqtt {

// What the sender of a packet with an identifier waits for.
enum class Awaiting : uint8_t { kPuback, kPubrec, kPubcomp };

// Identifiers of QoS 2 messages received and not yet released by PUBREL [MQTT-4.3.3-10]. One null
// pointer while empty.
class InboundQos2Ids {
 public:
  enum class Insertion : uint8_t { kNew, kDuplicate, kFull };
  struct Entry {
    uint16_t packet_id = 0;
    // Which of its client's publishes the message is, as long as it is not known to be stored; 0
    // where it is, or where nobody asks.
    uint32_t number = 0;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  [[nodiscard]] Insertion Insert(Entry entry, size_t window);
  // False when it was not there.
  bool Remove(uint16_t packet_id);
  // The message is stored.
  void SetStored(uint16_t packet_id);
  [[nodiscard]] bool all_stored() const;
  [[nodiscard]] size_t size() const { return entries_ ? entries_->size() : 0; }
  [[nodiscard]] std::span<const Entry> entries() const {
    return entries_ ? std::span<const Entry>(*entries_) : std::span<const Entry>();
  }

 private:
  [[nodiscard]] Entry* Find(uint16_t packet_id);

  std::unique_ptr<std::vector<Entry>> entries_;
};

}  // namespace homeport::mqtt
