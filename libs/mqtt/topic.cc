#include "libs/mqtt/topic.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "libs/mqtt/wire.h"

namespace homeport::mqtt {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

bool HasStringSize(std::string_view text) {
  return !text.empty() && text.size() <= kStringBytesMax;
}

// The high bit of each of eight bytes that equals `byte`, exactly.
uint64_t MarkEqual(uint64_t word, char byte) {
  constexpr uint64_t kEachByte = 0x0101'0101'0101'0101;
  constexpr uint64_t kLowBits = 0x7F * kEachByte;
  const uint64_t differs = word ^ (static_cast<unsigned char>(byte) * kEachByte);
  return ~(((differs & kLowBits) + kLowBits) | differs | kLowBits);
}

struct Scan {
  size_t slashes = 0;
  bool wildcard = false;
};

// Every PUBLISH passes here: eight bytes a step.
Scan ScanTopic(std::string_view topic) {
  Scan scan;
  uint64_t wildcards = 0;
  while (topic.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, topic.data(), sizeof word);
    wildcards |= MarkEqual(word, '+') | MarkEqual(word, '#');
    scan.slashes += static_cast<size_t>(std::popcount(MarkEqual(word, '/')));
    topic.remove_prefix(sizeof word);
  }
  scan.wildcard = wildcards != 0;
  for (char c : topic) {
    scan.slashes += c == '/';
    scan.wildcard |= c == '+' || c == '#';
  }
  return scan;
}

// Splits the level before the next '/' off `rest`; false when it was the last one.
bool TakeLevel(std::string_view* rest, std::string_view* level) {
  const size_t slash = rest->find('/');
  *level = rest->substr(0, slash);
  if (slash == std::string_view::npos) return false;
  rest->remove_prefix(slash + 1);
  return true;
}

}  // namespace

bool IsValidTopicName(std::string_view topic) {
  return HasStringSize(topic) && !HasWildcard(topic) && IsValidUtf8(topic);
}

bool IsValidTopicFilter(std::string_view filter) {
  if (!HasStringSize(filter) || !IsValidUtf8(filter)) return false;
  for (size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] != '+' && filter[i] != '#') continue;
    if (i != 0 && filter[i - 1] != '/') return false;
    const bool last = i + 1 == filter.size();
    if (filter[i] == '#' ? !last : !last && filter[i + 1] != '/') return false;
  }
  return true;
}

bool IsWithinLimits(std::string_view topic, const Limits& limits) {
  return topic.size() <= limits.topic_bytes_max && LevelCount(topic) <= limits.topic_levels_max;
}

DecodeError CheckTopicName(std::string_view topic, const Limits& limits) {
  if (topic.empty()) return {ReasonCode::kMalformedPacket, "empty topic"};
  if (topic.size() > limits.topic_bytes_max) {
    return {ReasonCode::kTopicNameInvalid, "topic longer than the limit"};
  }
  const Scan scan = ScanTopic(topic);
  if (scan.wildcard) return {ReasonCode::kMalformedPacket, "wildcard in a topic name"};
  if (scan.slashes + 1 > limits.topic_levels_max) {
    return {ReasonCode::kTopicNameInvalid, "topic has more levels than the limit"};
  }
  return {};
}

size_t LevelCount(std::string_view topic) {
  return 1 + static_cast<size_t>(std::count(topic.begin(), topic.end(), '/'));
}

bool HasWildcard(std::string_view filter) {
  return filter.find_first_of("+#") != std::string_view::npos;
}

bool Matches(std::string_view filter, std::string_view topic) {
  if (topic.starts_with('$') && !filter.starts_with('$')) return false;
  while (true) {
    std::string_view filter_level;
    std::string_view topic_level;
    const bool more_filter = TakeLevel(&filter, &filter_level);
    const bool more_topic = TakeLevel(&topic, &topic_level);
    if (filter_level == "#") return true;
    if (filter_level != "+" && filter_level != topic_level) return false;
    // "sport/#" also matches "sport" itself.
    if (!more_topic) return !more_filter || filter == "#";
    if (!more_filter) return false;
  }
}

bool IsSharedFilter(std::string_view filter) { return filter.starts_with(kSharePrefix); }

std::optional<SharedFilter> ParseSharedFilter(std::string_view filter) {
  if (!IsSharedFilter(filter)) return std::nullopt;
  SharedFilter shared;
  shared.filter = filter.substr(kSharePrefix.size());
  if (!TakeLevel(&shared.filter, &shared.group)) return std::nullopt;
  if (shared.group.empty() || HasWildcard(shared.group)) return std::nullopt;
  if (!IsValidUtf8(shared.group) || !IsValidTopicFilter(shared.filter)) return std::nullopt;
  return shared;
}

}  // namespace homeport::mqtt
