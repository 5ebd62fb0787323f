#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::registry {

// Opaque page tokens: the place behind the last row of a page, bound to what the list was asked
// for (page.h, ListOf).

[[nodiscard]] std::string MakePageToken(std::string_view list,
                                        const std::vector<std::string>& keys);
// The keys; none for an empty token. INVALID_ARGUMENT PAGE_TOKEN_INVALID for a token of another
// list, or with another number of keys.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ReadPageToken(std::string_view token,
                                                                     std::string_view list,
                                                                     size_t keys);
// A key that is a number. INVALID_ARGUMENT PAGE_TOKEN_INVALID for one that is not.
[[nodiscard]] absl::StatusOr<int64_t> ReadNumberKey(const std::string& key);

}  // namespace homeport::registry
