#include "services/gateway/outbound.h"

namespace homeport::gateway {

using mqtt::Awaiting;
using mqtt::Qos;

Outbound::Entry* Outbound::Find(uint16_t packet_id) {
  for (size_t i = 0; i < sent_; ++i) {
    if (entries_[i].packet_id == packet_id) return &entries_[i];
  }
  return nullptr;
}

Outbound::Entry* Outbound::Next(size_t window) {
  if (sent_ >= window || sent_ == entries_.size()) return nullptr;
  do {
    last_id_ = last_id_ == 65'535 ? 1 : last_id_ + 1;
  } while (Find(last_id_) != nullptr);
  Entry& entry = entries_[sent_++];
  entry.packet_id = last_id_;
  entry.awaiting = entry.out.qos == Qos::kExactlyOnce ? Awaiting::kPubrec : Awaiting::kPuback;
  return &entry;
}

void Outbound::DropLast() {
  --sent_;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(sent_));
}

bool Outbound::Complete(uint16_t packet_id, Awaiting answer) {
  for (size_t i = 0; i < sent_; ++i) {
    if (entries_[i].packet_id != packet_id) continue;
    if (entries_[i].awaiting != answer) return false;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
    --sent_;
    return true;
  }
  return false;
}

bool Outbound::Received(uint16_t packet_id) {
  Entry* entry = Find(packet_id);
  if (entry == nullptr || entry->awaiting == Awaiting::kPuback) return false;
  entry->awaiting = Awaiting::kPubcomp;  // again, when PUBREC was repeated
  entry->out.message.reset();
  return true;
}

}  // namespace homeport::gateway
