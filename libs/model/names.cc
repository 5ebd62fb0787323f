#include "libs/model/names.h"

#include <unordered_map>

#include "libs/base/strings.h"

namespace homeport::model {

std::string NameFromUrn(std::string_view urn, std::string_view kind, uint16_t iid) {
  constexpr int kNamePart = 3;
  std::string_view name;
  for (int part = 0; part <= kNamePart && !urn.empty(); ++part) {
    const size_t colon = urn.find(':');
    const std::string_view text = urn.substr(0, colon);
    if (!text.empty() && text != "urn") name = text;
    urn = colon == std::string_view::npos ? std::string_view() : urn.substr(colon + 1);
  }
  return name.empty() ? fmt::format("{}-{}", kind, iid) : std::string(name);
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
