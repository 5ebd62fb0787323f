#include "libs/shadow/request.h"

#include <algorithm>
#include <utility>

#include "libs/json/parse.h"
#include "libs/json/print.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::Value;

// Deeper texts are refused unread, whatever part of them is deep.
constexpr int kTextDepthMax = 64;
constexpr size_t kTextNodesMax = 65536;

std::optional<Rejected> ParseText(std::string_view payload, const Limits& limits, Value& root) {
  const json::ParseLimits parse_limits{.depth_max = std::max(kTextDepthMax, limits.depth_max + 2),
                                       .bytes_max = limits.request_bytes_max,
                                       .nodes_max = kTextNodesMax};
  switch (json::ParseInto(payload, parse_limits, root).error) {
    case json::ParseError::kNone:
      break;
    case json::ParseError::kNotJson:
      return InvalidJson();
    case json::ParseError::kNotUtf8:
      return NotUtf8();
    case json::ParseError::kTooDeep:
      return TooDeep(limits.depth_max);
    case json::ParseError::kTooLarge:
    case json::ParseError::kTooMany:
      return TooLarge();
  }
  if (!root.is_object()) return InvalidJson();
  return std::nullopt;
}

bool IsUsableToken(const Value& token) {
  return token.is_string() && token.IfString()->size() <= kClientTokenBytesMax;
}

// Fills `token` when it is usable; the refusal when there is one that is not.
std::optional<Rejected> TakeClientToken(const Value& root, std::optional<std::string>& token) {
  const Value* given = root.Find("clientToken");
  if (given == nullptr) return std::nullopt;
  if (!IsUsableToken(*given)) return InvalidClientToken();
  token = *given->IfString();
  return std::nullopt;
}

std::optional<Rejected> TakeVersion(const Value& root, std::optional<int64_t>& version) {
  const Value* given = root.Find("version");
  if (given == nullptr) return std::nullopt;
  const int64_t* number = given->IfInt64();
  if (number == nullptr || *number < 0) return InvalidVersion();
  version = *number;
  return std::nullopt;
}

// Whether an array somewhere in `value` holds a null, at any depth: there it could remove nothing.
bool HasNullInArray(const Value& value, bool in_array = false) {
  if (const json::Array* array = value.IfArray()) {
    return std::any_of(array->begin(), array->end(), [](const Value& element) {
      return element.is_null() || HasNullInArray(element, true);
    });
  }
  const Object* object = value.IfObject();
  return object != nullptr &&
         std::any_of(object->begin(), object->end(), [&](const Member& member) {
           return (in_array && member.value.is_null()) || HasNullInArray(member.value, in_array);
         });
}

// Levels of keys and array elements inside `value`. Parsing has bounded the recursion.
int Levels(const Value& value) {
  int deepest = 0;
  if (const json::Array* array = value.IfArray()) {
    for (const Value& element : *array) deepest = std::max(deepest, 1 + Levels(element));
  } else if (const Object* object = value.IfObject()) {
    for (const Member& member : *object) deepest = std::max(deepest, 1 + Levels(member.value));
  }
  return deepest;
}

std::optional<Rejected> CheckSection(const Member& section) {
  if (section.value.is_null()) return std::nullopt;
  if (!section.value.is_object()) {
    const bool desired = section.key == "desired";
    return Rejected{400,
                    desired ? "Desired node must be an object" : "Reported node must be an object"};
  }
  return std::nullopt;
}

std::optional<Rejected> CheckShape(const Value& state) {
  if (state.is_null()) return std::nullopt;
  const Object* sections = state.IfObject();
  if (sections == nullptr) return Rejected{400, "State node must be an object"};
  const Rejected invalid_node{400, "State contains an invalid node"};
  for (const Member& section : *sections) {
    if (section.key != "desired" && section.key != "reported") return invalid_node;
  }
  for (const Member& section : *sections) {
    if (auto rejected = CheckSection(section)) return rejected;
  }
  if (HasNullInArray(state)) return invalid_node;
  return std::nullopt;
}

std::optional<Rejected> CheckDepth(const Value& state, const Limits& limits) {
  // The key of the section itself is the one level more.
  if (Levels(state) <= limits.depth_max + 1) return std::nullopt;
  return TooDeep(limits.depth_max);
}

std::optional<Rejected> ReadUpdate(Value& root, const Limits& limits, UpdateRequest& request) {
  const std::optional<Rejected> bad_token = TakeClientToken(root, request.client_token);
  Value* state = root.IfObject()->Find("state");
  if (state == nullptr) return Rejected{400, "Missing required node: state"};
  if (auto rejected = CheckShape(*state)) return rejected;
  if (auto rejected = TakeVersion(root, request.version)) return rejected;
  if (bad_token) return bad_token;
  if (auto rejected = CheckDepth(*state, limits)) return rejected;
  request.state = std::move(*state);
  request.state_bytes = json::Print(request.state).size();
  return std::nullopt;
}

}  // namespace

ParsedUpdate ParseUpdate(std::string_view payload, const Limits& limits) {
  ParsedUpdate parsed;
  Value root;
  parsed.rejected = ParseText(payload, limits, root);
  if (!parsed.rejected) parsed.rejected = ReadUpdate(root, limits, parsed.request);
  return parsed;
}

std::optional<Rejected> CheckState(const Value& state, const Limits& limits) {
  if (auto rejected = CheckShape(state)) return rejected;
  return CheckDepth(state, limits);
}

UpdateRequest MakeUpdate(Value state, std::optional<std::string> client_token) {
  UpdateRequest request;
  request.state_bytes = json::Print(state).size();
  request.state = std::move(state);
  request.client_token = std::move(client_token);
  return request;
}

ParsedSimple ParseSimple(std::string_view payload, const Limits& limits) {
  ParsedSimple parsed;
  if (payload.empty()) return parsed;
  Value root;
  parsed.rejected = ParseText(payload, limits, root);
  if (parsed.rejected) return parsed;
  static_cast<void>(TakeVersion(root, parsed.version));
  parsed.rejected = TakeClientToken(root, parsed.client_token);
  return parsed;
}

}  // namespace homeport::shadow
