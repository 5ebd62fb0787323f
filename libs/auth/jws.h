#pragma once

#include <optional>
#include <string_view>

#include "libs/json/value.h"

// The pieces of a JWT (RFC 7515, 7519), for those that verify one. Pure.
namespace homeport::auth {

inline constexpr size_t kTokenBytesMax = 8192;

// The JWS compact serialisation: header "." claims "." signature. Views into the token.
struct CompactJws {
  std::string_view signed_part;  // with the dot between
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
};
[[nodiscard]] std::optional<CompactJws> SplitJws(std::string_view jwt);

// The JSON object that a part encodes.
[[nodiscard]] std::optional<json::Object> DecodeJwsObject(std::string_view part);

// The string member `name`; empty where it is missing or no string.
[[nodiscard]] std::string_view JwsText(const json::Object& object, std::string_view name);

}  // namespace homeport::auth
