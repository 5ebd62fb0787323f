#include "libs/model/names.h"

#include <unordered_map>

#include "libs/base/strings.h"

namespace homeport::model {

std::string_view NameFromUrn(std::string_view urn) {
  constexpr int kPartsBefore = 3;
  for (int part = 0; part < kPartsBefore; ++part) urn.remove_prefix(urn.find(':') + 1);
  return urn.substr(0, urn.find(':'));
}

std::vector<std::string> AssignKeys(const std::vector<NamedPart>& parts) {
  std::vector<std::string> keys;
  keys.reserve(parts.size());
  for (const NamedPart& part : parts) keys.push_back(part.name);
  // Each round gives at least one more part its suffix. Two keys with suffixes never meet: equal
  // ones would end in the same iid.
  std::vector<bool> suffixed(parts.size());
  for (bool again = true; again;) {
    again = false;
    std::unordered_map<std::string, int> uses;
    for (const std::string& key : keys) ++uses[key];
    for (size_t i = 0; i < parts.size(); ++i) {
      if (suffixed[i] || uses[keys[i]] < 2) continue;
      keys[i] = fmt::format("{}-{}", parts[i].name, parts[i].iid);
      suffixed[i] = true;
      again = true;
    }
  }
  return keys;
}

}  // namespace homeport::model
