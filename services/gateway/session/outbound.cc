#include "services/gateway/session/outbound.h"

#include <algorithm>
#include <utility>

namespace homeport::gateway {

using mqtt::Awaiting;
using mqtt::Qos;

namespace {

constexpr uint16_t kUpperIds = 32'768;

uint16_t IdOfNumber(uint64_t number) {
  return static_cast<uint16_t>(1 + (number - 1) % (kUpperIds - 1));
}

size_t PayloadBytes(const OutMessage& out) {
  return out.message ? out.message->payload().size() : 0;
}

}  // namespace

Outbound::Entry* Outbound::Find(uint16_t packet_id) {
  for (size_t i = 0; i < sent_; ++i) {
    if (entries_[i].packet_id == packet_id) return &entries_[i];
  }
  return nullptr;
}

size_t Outbound::payload_bytes() const {
  size_t bytes = 0;
  for (const Entry& entry : entries_) bytes += PayloadBytes(entry.out);
  return bytes;
}

size_t Outbound::next_bytes() const {
  if (waiting() == 0 || !entries_[sent_].out.message) return 0;
  const BusMessage& next = *entries_[sent_].out.message;
  return next.topic().size() + next.properties().size() + next.payload().size();
}

uint16_t Outbound::NextFreeId() {
  const uint16_t first = has_kept_ ? kUpperIds : 1;
  do {
    last_id_ = last_id_ == 65'535 || last_id_ < first ? first : last_id_ + 1;
  } while (Find(last_id_) != nullptr);
  return last_id_;
}

void Outbound::Push(OutMessage out, KeptAs kept) {
  waiting_bytes_ += PayloadBytes(out);
  has_kept_ |= kept.number != 0;
  const bool is_unstored = kept.number != 0 && out.qos == Qos::kExactlyOnce;
  Entry entry;
  entry.out = std::move(out);
  entry.kept = kept;
  entry.is_unstored = is_unstored;
  entries_.push_back(std::move(entry));
}

void Outbound::SetStored(uint64_t number) {
  for (size_t i = sent_; i < entries_.size(); ++i) {
    if (entries_[i].kept.number != number) continue;
    entries_[i].is_unstored = false;
    return;
  }
}

void Outbound::Restore(Entry entry) {
  has_kept_ = true;
  if (entry.out.again) last_sent_number_ = std::max(last_sent_number_, entry.kept.number);
  if (!entry.out.message) {
    entry.packet_id = IdOfNumber(entry.kept.number);
    entry.awaiting = Awaiting::kPubcomp;
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(sent_++), std::move(entry));
    return;
  }
  waiting_bytes_ += PayloadBytes(entry.out);
  entries_.push_back(std::move(entry));
}

Outbound::Entry* Outbound::Next(size_t window) {
  if (sent_ >= window || sent_ == entries_.size()) return nullptr;
  Entry& entry = entries_[sent_];
  if (entry.is_unstored) return nullptr;
  const bool is_kept = entry.kept.number != 0;
  // Numbers come round after 32,767: one that is still under way keeps its id [MQTT-2.2.1-4].
  if (is_kept && Find(IdOfNumber(entry.kept.number)) != nullptr) return nullptr;
  entry.packet_id = is_kept ? IdOfNumber(entry.kept.number) : NextFreeId();
  ++sent_;
  waiting_bytes_ -= PayloadBytes(entry.out);
  last_sent_number_ = std::max(last_sent_number_, entry.kept.number);
  entry.awaiting = entry.out.qos == Qos::kExactlyOnce ? Awaiting::kPubrec : Awaiting::kPuback;
  return &entry;
}

void Outbound::DropLast() {
  --sent_;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(sent_));
}

bool Outbound::Fits(uint16_t packet_id, Awaiting answer) {
  const Entry* entry = Find(packet_id);
  if (entry == nullptr || entry->awaiting == answer) return true;
  // PUBREC may be repeated.
  return answer == Awaiting::kPubrec && entry->awaiting == Awaiting::kPubcomp;
}

std::optional<Outbound::KeptAs> Outbound::Complete(uint16_t packet_id, Awaiting answer) {
  for (size_t i = 0; i < sent_; ++i) {
    if (entries_[i].packet_id != packet_id) continue;
    if (entries_[i].awaiting != answer) return std::nullopt;
    const KeptAs kept = entries_[i].kept;
    if (entries_[i].out.shared) entries_[i].out.shared->is_over = true;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
    --sent_;
    return kept;
  }
  return std::nullopt;
}

std::optional<Outbound::KeptAs> Outbound::Received(uint16_t packet_id) {
  Entry* entry = Find(packet_id);
  if (entry == nullptr || entry->awaiting == Awaiting::kPuback) return std::nullopt;
  entry->awaiting = Awaiting::kPubcomp;  // again, when PUBREC was repeated
  entry->out.message.reset();
  if (entry->out.shared) entry->out.shared->is_over = true;
  return entry->kept;
}

}  // namespace homeport::gateway
