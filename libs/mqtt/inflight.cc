#include "libs/mqtt/inflight.h"

#include <algorithm>

namespace homeport::mqtt {

InboundQos2Ids::Insertion InboundQos2Ids::Insert(Entry entry, size_t window) {
  if (Find(entry.packet_id) != nullptr) return Insertion::kDuplicate;
  if (size() >= window) return Insertion::kFull;
  if (!entries_) entries_ = std::make_unique<std::vector<Entry>>();
  entries_->push_back(entry);
  return Insertion::kNew;
}

bool InboundQos2Ids::Remove(uint16_t packet_id) {
  const Entry* entry = Find(packet_id);
  if (entry == nullptr) return false;
  entries_->erase(entries_->begin() + (entry - entries_->data()));
  if (entries_->empty()) entries_.reset();
  return true;
}

void InboundQos2Ids::SetStored(uint16_t packet_id) {
  if (Entry* entry = Find(packet_id)) entry->number = 0;
}

bool InboundQos2Ids::all_stored() const {
  return std::all_of(entries().begin(), entries().end(),
                     [](const Entry& entry) { return entry.number == 0; });
}

InboundQos2Ids::Entry* InboundQos2Ids::Find(uint16_t packet_id) {
  if (!entries_) return nullptr;
  const auto at = std::find_if(entries_->begin(), entries_->end(),
                               [&](const Entry& entry) { return entry.packet_id == packet_id; });
  return at == entries_->end() ? nullptr : &*at;
}

}  // namespace homeport::mqtt
