#include "libs/base/ids.h"

#include <algorithm>

namespace homeport {
namespace {

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

template <typename Allowed>
bool IsWord(std::string_view value, size_t bytes_max, Allowed allowed) {
  return !value.empty() && value.size() <= bytes_max &&
         std::all_of(value.begin(), value.end(), allowed);
}

}  // namespace

bool IsValidDeviceId(std::string_view value) {
  return IsWord(value, kDeviceIdBytesMax, [](char c) {
    return IsLower(c) || IsUpper(c) || IsDigit(c) || c == ':' || c == '.' || c == '_' || c == '-';
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

}  // namespace homeport
