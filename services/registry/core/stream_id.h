#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homeport::registry {

// The id of a Redis stream entry, "<ms>-<sequence>". Zero stands before every entry.
struct StreamId {
  uint64_t ms = 0;
  uint64_t sequence = 0;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;
};

[[nodiscard]] std::string ToText(const StreamId& id);
[[nodiscard]] std::optional<StreamId> ParseStreamId(std::string_view text);
// The smallest id above `id`.
[[nodiscard]] StreamId Next(const StreamId& id);

}  // namespace homeport::registry
