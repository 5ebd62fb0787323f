#include "libs/base/ids.h"

#include <algorithm>

#include "libs/base/ascii.h"

namespace homeport {
namespace {

template <typename Allowed>
bool IsWord(std::string_view value, size_t bytes_max, Allowed allowed) {
  return !value.empty() && value.size() <= bytes_max &&
         std::all_of(value.begin(), value.end(), allowed);
}

}  // namespace

bool IsValidDeviceId(std::string_view value) {
  return IsWord(value, kDeviceIdBytesMax, [](char c) {
    return IsAlphanumeric(c) || c == ':' || c == '.' || c == '_' || c == '-';
  });
}

bool IsValidProductId(std::string_view value) {
  return IsWord(value, kProductIdBytesMax, [](char c) {
    return IsLower(c) || IsDigit(c) || c == '.' || c == '_' || c == '-';
  });
}

bool IsValidTenantId(std::string_view value) {
  return IsWord(value, 63, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

bool IsValidShadowName(std::string_view value) {
  return IsWord(value, kShadowNameBytesMax, [](char c) {
    return IsAlphanumeric(c) || c == '$' || c == ':' || c == '_' || c == '-';
  });
}

}  // namespace homeport
