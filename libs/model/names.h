#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::model {

// Names on paths, from URNs. Private to the library.

// The fourth part of `urn`; else the last of the first three that says anything; else
// "<kind>-<iid>".
[[nodiscard]] std::string NameFromUrn(std::string_view urn, std::string_view kind, uint16_t iid);

struct NamedPart {
  std::string name;
  uint16_t iid;
};

// A key for each sibling, in their order: the name, or the name with -<iid> for all that share it.
// Where such a key is another's plain name, that other one gets its suffix too, so that keys are
// unique. REQUIRES: iids are unique.
[[nodiscard]] std::vector<std::string> AssignKeys(const std::vector<NamedPart>& parts);

}  // namespace homeport::model
