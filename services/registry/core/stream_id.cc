#include "services/registry/core/stream_id.h"

#include <charconv>

#include "libs/base/strings.h"

namespace homeport::registry {

std::string ToText(const StreamId& id) { return fmt::format("{}-{}", id.ms, id.sequence); }

std::optional<StreamId> ParseStreamId(std::string_view text) {
  StreamId id;
  const char* const end = text.data() + text.size();
  const auto [dash, ms_error] = std::from_chars(text.data(), end, id.ms);
  if (ms_error != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [last, sequence_error] = std::from_chars(dash + 1, end, id.sequence);
  if (sequence_error != std::errc() || last != end) return std::nullopt;
  return id;
}

StreamId Next(const StreamId& id) {
  return id.sequence == UINT64_MAX ? StreamId{id.ms + 1, 0} : StreamId{id.ms, id.sequence + 1};
}

}  // namespace homeport::registry
