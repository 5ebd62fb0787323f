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

  [[nodiscard]] Insertion Insert(uint16_t packet_id, size_t window);
  // False when it was not there.
  bool Remove(uint16_t packet_id);
  [[nodiscard]] bool Contains(uint16_t packet_id) const;
  [[nodiscard]] size_t size() const { return ids_ ? ids_->size() : 0; }
  [[nodiscard]] std::span<const uint16_t> ids() const {
    return ids_ ? std::span<const uint16_t>(*ids_) : std::span<const uint16_t>();
  }
  void Clear() { ids_.reset(); }

 private:
  std::unique_ptr<std::vector<uint16_t>> ids_;
};

}  // namespace homeport::mqtt
