#include "services/registry/store/json_map.h"

#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/json/value.h"

namespace homeport::registry {

std::string ToJson(const StringMap& map) {
  std::string out = "{";
  for (const auto& [key, value] : map) {
    if (out.size() > 1) out += ',';
    json::PrintString(key, out);
    out += ':';
    json::PrintString(value, out);
  }
  return out + '}';
}

std::string ToJson(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const std::string& value : list) {
    if (out.size() > 1) out += ',';
    json::PrintString(value, out);
  }
  return out + ']';
}

StringMap ReadStringMap(std::string_view json) {
  StringMap map;
  if (json.size() <= 2) return map;  // {}
  const auto parsed = json::Parse(json);
  if (!parsed.ok() || !parsed->is_object()) return map;
  for (const json::Member& member : *parsed->IfObject()) {
    if (const std::string* text = member.value.IfString()) map.emplace(member.key, *text);
  }
  return map;
}

std::vector<std::string> ReadStringList(std::string_view json) {
  std::vector<std::string> list;
  if (json.size() <= 2) return list;  // []
  const auto parsed = json::Parse(json);
  if (!parsed.ok() || !parsed->is_array()) return list;
  for (const json::Value& value : *parsed->IfArray()) {
    if (const std::string* text = value.IfString()) list.push_back(*text);
  }
  return list;
}

}  // namespace homeport::registry
