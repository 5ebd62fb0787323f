#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::model {

// Names on paths, from URNs. Private to the library.

// The fourth part. REQUIRES: `urn` has one.
[[nodiscard]] std::string_view NameFromUrn(std::string_view urn);

struct NamedPart {
  std::string name;
  uint16_t iid;
};

// A key for each sibling, in their order: the name, or the name with -<iid> for all that share it.
// Where such a key is another's plain name, that other one gets its suffix too, so that keys are
// unique. REQUIRES: iids are unique.
[[nodiscard]] std::vector<std::string> AssignKeys(const std::vector<NamedPart>& parts);

}  // namespace homeport::model
