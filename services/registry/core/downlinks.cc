#include "services/registry/core/downlinks.h"

#include <charconv>
#include <utility>

namespace homeport::registry {
namespace {

constexpr uint32_t kEnvelopeVersion = 1;
constexpr char kPartitionMark = '@';

void PutText(std::string& out, std::string_view text) {
  for (int shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<char>(static_cast<uint32_t>(text.size()) >> shift));
  }
  out.append(text);
}

bool TakeText(std::string_view& in, std::string& out) {
  if (in.size() < 4) return false;
  uint32_t size = 0;
  for (int i = 0; i < 4; ++i) {
    size |= static_cast<uint32_t>(static_cast<unsigned char>(in[static_cast<size_t>(i)]))
            << (8 * i);
  }
  in.remove_prefix(4);
  if (in.size() < size) return false;
  out.assign(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

}  // namespace

std::optional<uint32_t> InboxEntry::partition() const {
  if (pod.empty() || pod.front() != kPartitionMark) return std::nullopt;
  uint32_t number = 0;
  std::from_chars(pod.data() + 1, pod.data() + pod.size(), number);
  return number;
}

// Searches from the back: a transaction speaks to few streams.
template <typename Batch>
InboxEntry& Downlinks::OpenEntry(std::string_view pod, const Batch& head) {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->pod != pod) continue;
    if (entry->batch.size() >= kInboxEntryBytes) break;
    return *entry;
  }
  entries_.push_back({std::string(pod), head.SerializeAsString()});
  return entries_.back();
}

void Downlinks::Add(std::string_view pod, const internal::v1::InboxItem& item) {
  internal::v1::InboxBatch head;
  head.set_version(kEnvelopeVersion);
  // Serialized messages of one type concatenate: repeated fields append.
  internal::v1::InboxBatch one;
  *one.add_items() = item;
  std::string& batch = OpenEntry(pod, head).batch;
  const size_t before = batch.size();
  one.AppendToString(&batch);
  bytes_ += batch.size() - before;
}

void Downlinks::AddUplink(uint32_t partition, const internal::v1::UplinkMessage& message) {
  internal::v1::UplinkBatch head;
  head.set_version(kEnvelopeVersion);
  head.set_pod("registry");
  internal::v1::UplinkBatch one;
  *one.add_messages() = message;
  std::string& batch = OpenEntry(kPartitionMark + std::to_string(partition), head).batch;
  const size_t before = batch.size();
  one.AppendToString(&batch);
  bytes_ += batch.size() - before;
}

void Downlinks::Append(Downlinks&& other) {
  for (InboxEntry& entry : other.entries_) {
    OpenEntry(entry.pod, internal::v1::InboxBatch()).batch += entry.batch;
  }
  bytes_ += other.bytes_;
  other = Downlinks();
}

std::string Downlinks::Encode() const {
  std::string bytes;
  for (const InboxEntry& entry : entries_) {
    PutText(bytes, entry.pod);
    PutText(bytes, entry.batch);
  }
  return bytes;
}

absl::StatusOr<Downlinks> Downlinks::Decode(std::string_view bytes) {
  Downlinks decoded;
  while (!bytes.empty()) {
    InboxEntry entry;
    if (!TakeText(bytes, entry.pod) || !TakeText(bytes, entry.batch)) {
      return absl::DataLossError("pending downlinks are cut short");
    }
    decoded.bytes_ += entry.batch.size();
    decoded.entries_.push_back(std::move(entry));
  }
  return decoded;
}

}  // namespace homeport::registry
