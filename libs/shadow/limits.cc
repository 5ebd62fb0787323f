#include "libs/shadow/limits.h"

#include "libs/base/strings.h"

namespace homeport::shadow {

Rejected InvalidJson() { return {400, "Invalid JSON"}; }

Rejected NotUtf8() { return {415, "Unsupported documented encoding; supported encoding is UTF-8"}; }

Rejected TooDeep(int depth_max) {
  return {400, fmt::format("JSON contains too many levels of nesting; maximum is {}", depth_max)};
}

Rejected TooLarge() { return {413, "The payload exceeds the maximum size allowed"}; }

Rejected InvalidVersion() { return {400, "Invalid version"}; }

Rejected InvalidClientToken() { return {400, "Invalid clientToken"}; }

Rejected InvalidShadowName() { return {400, "Invalid shadow name"}; }

Rejected VersionConflict() { return {409, "Version conflict"}; }

Rejected TooManyRequests() { return {429, "Too Many Requests"}; }

Rejected NoShadow(std::string_view name) {
  return {404, fmt::format("No shadow exists with name: '{}'", name)};
}

}  // namespace homeport::shadow
