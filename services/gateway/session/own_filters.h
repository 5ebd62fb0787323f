#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homeport::gateway {

// The filters by which devices subscribe to their own topics, one bit each, so that the
// subscriptions of an ordinary session are one word and no strings. Pure.
using FilterRows = uint32_t;

// The row of a filter of `device`; nothing when it has none and must be kept as text.
[[nodiscard]] std::optional<int> RowOfFilter(std::string_view filter, std::string_view device);

// The filter of a row.
[[nodiscard]] std::string FilterOfRow(int row, std::string_view device);

// The rows whose filters match a topic that Homeport sends to `device`.
[[nodiscard]] FilterRows RowsMatching(std::string_view topic, std::string_view device);

}  // namespace homeport::gateway
