#include "libs/auth/jws.h"

#include <string>
#include <utility>

#include "libs/auth/base64url.h"
#include "libs/json/parse.h"

namespace homeport::auth {
namespace {

constexpr json::ParseLimits kPartLimits{
    .depth_max = 8, .bytes_max = kTokenBytesMax, .nodes_max = 1000};

}  // namespace

std::optional<CompactJws> SplitJws(std::string_view jwt) {
  const size_t first = jwt.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = jwt.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return CompactJws{jwt.substr(0, second), jwt.substr(0, first),
                    jwt.substr(first + 1, second - first - 1), jwt.substr(second + 1)};
}

std::optional<json::Object> DecodeJwsObject(std::string_view part) {
  const std::optional<std::string> text = DecodeBase64Url(part);
  json::Value value;
  if (!text.has_value() || !json::ParseInto(*text, kPartLimits, value).ok()) return std::nullopt;
  if (!value.is_object()) return std::nullopt;
  return std::move(*value.IfObject());
}

std::string_view JwsText(const json::Object& object, std::string_view name) {
  const std::string* text = object.FindString(name);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

}  // namespace homeport::auth
