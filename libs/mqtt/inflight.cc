#include "libs/mqtt/inflight.h"

#include <algorithm>

namespace homeport::mqtt {

InboundQos2Ids::Insertion InboundQos2Ids::Insert(uint16_t packet_id, size_t window) {
  if (Contains(packet_id)) return Insertion::kDuplicate;
  if (size() >= window) return Insertion::kFull;
  if (!ids_) ids_ = std::make_unique<std::vector<uint16_t>>();
  ids_->push_back(packet_id);
  return Insertion::kNew;
}

bool InboundQos2Ids::Remove(uint16_t packet_id) {
  if (!ids_) return false;
  const auto at = std::find(ids_->begin(), ids_->end(), packet_id);
  if (at == ids_->end()) return false;
  ids_->erase(at);
  if (ids_->empty()) ids_.reset();
  return true;
}

bool InboundQos2Ids::Contains(uint16_t packet_id) const {
  const std::span<const uint16_t> all = ids();
  return std::find(all.begin(), all.end(), packet_id) != all.end();
}

}  // namespace homeport::mqtt
