#include "services/registry/stream/uplink_reader.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::registry {
namespace {

constexpr uint64_t kCountMax = 1024;

// `fields`: [name, value, …].
UplinkEntry ToEntry(uint32_t partition, StreamId id, redis_blocking::ReplyView fields) {
  UplinkEntry entry{partition, id, {}, false};
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    const std::string_view name = fields[i].text();
    if (name != routing::kBatchField && name != routing::kPatientBatchField) continue;
    entry.batch = fields[i + 1].text();
    entry.can_wait = name == routing::kPatientBatchField;
    break;
  }
  return entry;
}

}  // namespace

void UplinkReader::Follow(uint32_t partition, const StreamId& last_id) {
  Unfollow(partition);
  positions_[partition] = last_id;
}

void UplinkReader::Unfollow(uint32_t partition) {
  positions_.erase(partition);
  std::erase_if(buffer_, [&](const UplinkEntry& entry) {
    if (entry.partition != partition) return false;
    buffered_bytes_ -= entry.batch.size();
    return true;
  });
}

absl::Status UplinkReader::Send(redis_blocking::Client& client, int64_t block_ms) {
  std::vector<std::string> words = {"XREAD", "COUNT", std::to_string(count_)};
  if (block_ms > 0) {
    words.insert(words.end(), {"BLOCK", std::to_string(block_ms)});
  }
  words.emplace_back("STREAMS");
  asked_.clear();
  for (const auto& [partition, last] : positions_) {
    asked_.push_back({partition, routing::UplinkKey(partition)});
    words.push_back(asked_.back().key);
  }
  for (const auto& [partition, last] : positions_) words.push_back(ToText(last));
  return client.Send(std::vector<std::string_view>(words.begin(), words.end()));
}

absl::Status UplinkReader::Receive(redis_blocking::Client& client) {
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply, client.Receive());
  HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
  const size_t entries_before = buffer_.size();
  const size_t bytes_before = buffered_bytes_;
  size_t asked = 0;
  for (size_t i = 0; i < reply.size(); ++i) HP_RETURN_IF_ERROR(ReadStream(reply[i], asked));
  AdaptCount(reply.size(), buffer_.size() - entries_before, buffered_bytes_ - bytes_before);
  return absl::OkStatus();
}

// Redis answers in the order of the keys asked, leaving out those with nothing new.
absl::Status UplinkReader::ReadStream(redis_blocking::ReplyView stream, size_t& asked) {
  if (stream.size() != 2) return absl::InternalError("XREAD: not [key, entries]");
  while (asked < asked_.size() && asked_[asked].key != stream[0].text()) ++asked;
  if (asked == asked_.size()) return absl::InternalError("XREAD: a key that was not asked");
  const uint32_t partition = asked_[asked].partition;
  const auto position = positions_.find(partition);
  if (position == positions_.end()) return absl::OkStatus();
  const redis_blocking::ReplyView entries = stream[1];
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto id = entries[i].size() == 2 ? ParseStreamId(entries[i][0].text()) : std::nullopt;
    if (!id) return absl::InternalError("XREAD: an entry without an id");
    UplinkEntry entry = ToEntry(partition, *id, entries[i][1]);
    position->second = *id;
    buffered_bytes_ += entry.batch.size();
    buffer_.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

// Keeps one answer near the size of the buffer, whatever the size of entries.
void UplinkReader::AdaptCount(size_t streams, size_t entries, size_t bytes) {
  if (entries == 0) return;
  const size_t wanted = kBufferBytes / (bytes / entries + 1) / streams;
  count_ = std::clamp<uint64_t>(wanted, 1, kCountMax);
}

bool UplinkReader::CanWait() const {
  return std::all_of(buffer_.begin(), buffer_.end(),
                     [](const UplinkEntry& entry) { return entry.can_wait; });
}

UplinkEntry UplinkReader::Take() {
  UplinkEntry entry = std::move(buffer_.front());
  buffer_.pop_front();
  buffered_bytes_ -= entry.batch.size();
  return entry;
}

void UplinkReader::PutBack(UplinkEntry entry) {
  buffered_bytes_ += entry.batch.size();
  buffer_.push_front(std::move(entry));
}

}  // namespace homeport::registry
