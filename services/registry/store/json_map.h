#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::registry {

// Maps and lists of strings as the JSON texts that PostgreSQL takes and gives. What is no such text
// reads as empty.
using StringMap = std::map<std::string, std::string, std::less<>>;

[[nodiscard]] std::string ToJson(const StringMap& map);
[[nodiscard]] std::string ToJson(const std::vector<std::string>& list);
[[nodiscard]] StringMap ReadStringMap(std::string_view json);
[[nodiscard]] std::vector<std::string> ReadStringList(std::string_view json);

}  // namespace homeport::registry
