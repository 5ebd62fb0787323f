#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "libs/base/check.h"

// Packet identifiers in use (MQTT 5 sections 2.2.1, 4.3 and 4.4). Both tables are one null pointer
// while empty and free their memory when they become empty again. Not thread-safe.
namespace homeport::mqtt {

// What the sender of a packet with an identifier waits for.
enum class Awaiting : uint8_t { kPuback, kPubrec, kPubcomp, kSuback, kUnsuback };

// Packets sent and not yet acknowledged, in the order sent, which is the order to send them again
// [MQTT-4.6.0-1]. T is what the owner needs to do that: a message, or a handle to one. Search is
// linear, for windows of some hundred entries; acknowledgements mostly hit the first.
template <typename T>
class OutboundInflight {
 public:
  struct Entry {
    uint16_t packet_id;
    Awaiting awaiting;
    T item;
  };

  [[nodiscard]] size_t size() const { return table_ ? table_->entries.size() : 0; }
  [[nodiscard]] bool empty() const { return table_ == nullptr; }
  [[nodiscard]] std::span<Entry> entries() {
    return table_ ? std::span<Entry>(table_->entries) : std::span<Entry>();
  }

  // Takes the next free identifier; nullopt when `window` entries are in flight.
  // REQUIRES: window <= 65535.
  [[nodiscard]] std::optional<uint16_t> Add(Awaiting awaiting, T item, size_t window) {
    if (size() >= window) return std::nullopt;
    if (!table_) table_ = std::make_unique<Table>();
    do {
      table_->last_id = table_->last_id == 65'535 ? 1 : table_->last_id + 1;
    } while (Find(table_->last_id) != nullptr);
    table_->entries.push_back(Entry{table_->last_id, awaiting, std::move(item)});
    return table_->last_id;
  }

  // Puts back an entry of a stored session under its own identifier; false when that is in use.
  // REQUIRES: packet_id != 0.
  [[nodiscard]] bool Restore(uint16_t packet_id, Awaiting awaiting, T item) {
    HP_CHECK(packet_id != 0);
    if (Find(packet_id) != nullptr) return false;
    if (!table_) table_ = std::make_unique<Table>();
    table_->entries.push_back(Entry{packet_id, awaiting, std::move(item)});
    table_->last_id = packet_id;
    return true;
  }

  // nullptr when the identifier is not in flight. Valid until the table changes.
  [[nodiscard]] Entry* Find(uint16_t packet_id) {
    for (Entry& entry : entries()) {
      if (entry.packet_id == packet_id) return &entry;
    }
    return nullptr;
  }

  // Removes the entry and yields its item when it awaits just this answer; nullopt otherwise.
  std::optional<T> Complete(uint16_t packet_id, Awaiting answer) {
    Entry* entry = Find(packet_id);
    if (entry == nullptr || entry->awaiting != answer) return std::nullopt;
    std::optional<T> item(std::move(entry->item));
    table_->entries.erase(table_->entries.begin() + (entry - table_->entries.data()));
    if (table_->entries.empty()) table_.reset();
    return item;
  }

  void Clear() { table_.reset(); }

 private:
  struct Table {
    std::vector<Entry> entries;
    uint16_t last_id = 0;
  };
  std::unique_ptr<Table> table_;
};

// Identifiers of QoS 2 messages received and not yet released by PUBREL [MQTT-4.3.3-10].
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
