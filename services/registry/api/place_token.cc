#include "services/registry/api/place_token.h"

#include <charconv>

#include "libs/base/hash.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

constexpr size_t kDigits = 16;
constexpr size_t kParts = 3;

uint64_t Bind(uint64_t first, uint64_t second, std::string_view request) {
  return Hash64(fmt::format("{} {} {}", first, second, request));
}

}  // namespace

std::string WritePlace(const PlaceToken& place, std::string_view request) {
  const auto first = static_cast<uint64_t>(place.first);
  const auto second = static_cast<uint64_t>(place.second);
  return fmt::format("{:016x}{:016x}{:016x}", first, second, Bind(first, second, request));
}

std::optional<PlaceToken> ReadPlace(std::string_view token, std::string_view request) {
  if (token.size() != kParts * kDigits) return std::nullopt;
  uint64_t parts[kParts] = {};
  for (size_t i = 0; i < kParts; ++i) {
    const char* const begin = token.data() + i * kDigits;
    const auto [end, error] = std::from_chars(begin, begin + kDigits, parts[i], 16);
    if (error != std::errc() || end != begin + kDigits) return std::nullopt;
  }
  if (parts[2] != Bind(parts[0], parts[1], request)) return std::nullopt;
  return PlaceToken{static_cast<int64_t>(parts[0]), static_cast<int64_t>(parts[1])};
}

}  // namespace homeport::registry
