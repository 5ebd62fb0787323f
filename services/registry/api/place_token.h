#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homeport::registry {

// An opaque page token: two numbers that say where the next page begins, bound to the request it
// was given for. Hex, so that it goes anywhere.
struct PlaceToken {
  int64_t first = 0;
  int64_t second = 0;
};

// `request`: everything of the request that must be the same on every page.
[[nodiscard]] std::string WritePlace(const PlaceToken& place, std::string_view request);
// Nothing for what was not written for that request.
[[nodiscard]] std::optional<PlaceToken> ReadPlace(std::string_view token, std::string_view request);

}  // namespace homeport::registry
