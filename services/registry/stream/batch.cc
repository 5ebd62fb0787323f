#include "services/registry/stream/batch.h"

#include <utility>

namespace homeport::registry {

using google::protobuf::Arena;
using internal::v1::UplinkBatch;

void Batch::Fill(UplinkReader& reader, const Limits& limits) {
  while (!reader.empty() && messages_ < limits.messages_max && bytes_ < limits.bytes_max &&
         entries_.size() < limits.entries_max) {
    Entry& entry = entries_.emplace_back();
    entry.raw = reader.Take();
    auto* decoded = Arena::CreateMessage<UplinkBatch>(&arena_);
    if (decoded->ParseFromString(entry.raw.batch)) {
      entry.decoded = decoded;
      messages_ += static_cast<size_t>(decoded->messages_size());
    }
    bytes_ += entry.raw.batch.size();
  }
}

UplinkBatch& Batch::AddMade(uint32_t partition, std::string_view pod) {
  Entry& entry = entries_.emplace_back();
  entry.raw.partition = partition;
  entry.made_here = true;
  entry.decoded = Arena::CreateMessage<UplinkBatch>(&arena_);
  entry.decoded->set_version(1);
  entry.decoded->set_pod(pod.data(), pod.size());
  return *entry.decoded;
}

void Batch::PutBackFrom(size_t applied, UplinkReader& reader) {
  while (entries_.size() > applied) {
    Entry& entry = entries_.back();
    bytes_ -= entry.raw.batch.size();
    if (entry.decoded != nullptr) messages_ -= static_cast<size_t>(entry.decoded->messages_size());
    if (!entry.made_here) reader.PutBack(std::move(entry.raw));
    entries_.pop_back();
  }
}

}  // namespace homeport::registry
