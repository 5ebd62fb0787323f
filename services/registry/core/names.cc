#include "services/registry/core/names.h"

#include <algorithm>

namespace homeport::registry {

bool IsShadowName(std::string_view name) {
  constexpr size_t kBytesMax = 64;
  return !name.empty() && name.size() <= kBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '$' || c == ':' || c == '_' || c == '-';
         });
}

}  // namespace homeport::registry
