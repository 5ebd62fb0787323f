#include "services/registry/core/provisioning_template.h"

#include <optional>
#include <utility>
#include <vector>

#include "libs/auth/credentials.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"

namespace homeport::registry {
namespace {

using Parameters = std::map<std::string, std::string>;

constexpr json::ParseLimits kLimits{
    .depth_max = 16, .bytes_max = ProvisioningTemplate::kBytesMax, .nodes_max = 2000};
constexpr int kDepthMax = 8;
constexpr int kCallsMax = 1000;  // one written once may be called often: "${a}${a}${a}"
constexpr size_t kTextBytesMax = 4096;
constexpr std::string_view kBuiltIn = "AWS::IoT::";

absl::Status Invalid(std::string_view path, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", path, what));
}

// A function call: an object with one member.
struct Call {
  std::string_view name;
  const json::Value* argument = nullptr;
};

std::optional<Call> AsCall(const json::Value& value) {
  const json::Object* object = value.IfObject();
  if (object == nullptr || object->size() != 1) return std::nullopt;
  return Call{object->members().front().key, &object->members().front().value};
}

// The two elements that a function takes; null when it is given something else.
const json::Array* PairOf(const json::Value& argument) {
  const json::Array* array = argument.IfArray();
  return array != nullptr && array->size() == 2 ? array : nullptr;
}

class Evaluator {
 public:
  explicit Evaluator(const Parameters& parameters) : parameters_(parameters) {}

  absl::StatusOr<std::string> Text(const json::Value& value, int depth = 0) {
    if (depth > kDepthMax) return absl::InvalidArgumentError("functions are nested too deeply");
    if (const std::string* text = value.IfString()) return *text;
    const std::optional<Call> call = AsCall(value);
    if (!call) return absl::InvalidArgumentError("neither text nor a function");
    if (calls_left_-- == 0) return absl::InvalidArgumentError("functions are called too often");
    HP_ASSIGN_OR_RETURN(std::string text, Apply(*call, depth + 1));
    if (text.size() > kTextBytesMax) return absl::InvalidArgumentError("too long a text");
    return text;
  }

 private:
  absl::StatusOr<std::string> Apply(const Call& call, int depth) {
    if (call.name == "Ref") {
      const std::string* name = call.argument->IfString();
      if (name == nullptr) return absl::InvalidArgumentError("Ref takes a name");
      return Parameter(*name);
    }
    if (call.name == "Fn::Sub") return Substitute(*call.argument, depth);
    const json::Array* pair = PairOf(*call.argument);
    if (pair == nullptr) {
      return absl::InvalidArgumentError(fmt::format("{} takes two arguments", call.name));
    }
    if (call.name == "Fn::Join") return Join(*pair, depth);
    if (call.name == "Fn::Select") return Select(*pair, depth);
    return absl::InvalidArgumentError(fmt::format("{} is no function", call.name));
  }

  absl::StatusOr<std::string> Parameter(const std::string& name) const {
    const auto found = parameters_.find(name);
    if (found == parameters_.end()) {
      return absl::InvalidArgumentError(fmt::format("parameter {} is missing", name));
    }
    return found->second;
  }

  absl::StatusOr<std::vector<std::string>> List(const json::Value& value, int depth) {
    std::vector<std::string> texts;
    if (const json::Array* array = value.IfArray()) {
      for (const json::Value& element : *array) {
        HP_ASSIGN_OR_RETURN(std::string text, Text(element, depth));
        texts.push_back(std::move(text));
      }
      return texts;
    }
    const std::optional<Call> call = AsCall(value);
    const json::Array* pair = call && call->name == "Fn::Split" ? PairOf(*call->argument) : nullptr;
    if (pair == nullptr) return absl::InvalidArgumentError("neither a list nor Fn::Split");
    HP_ASSIGN_OR_RETURN(const std::string delimiter, Text((*pair)[0], depth + 1));
    HP_ASSIGN_OR_RETURN(const std::string whole, Text((*pair)[1], depth + 1));
    if (delimiter.empty()) return absl::InvalidArgumentError("Fn::Split at nothing");
    size_t from = 0;
    for (size_t at = whole.find(delimiter); at != std::string::npos;
         at = whole.find(delimiter, from)) {
      texts.push_back(whole.substr(from, at - from));
      from = at + delimiter.size();
    }
    texts.push_back(whole.substr(from));
    return texts;
  }

  absl::StatusOr<std::string> Join(const json::Array& pair, int depth) {
    HP_ASSIGN_OR_RETURN(const std::string delimiter, Text(pair[0], depth));
    HP_ASSIGN_OR_RETURN(const std::vector<std::string> texts, List(pair[1], depth));
    std::string joined;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) joined += delimiter;
      joined += texts[i];
      if (joined.size() > kTextBytesMax) return absl::InvalidArgumentError("too long a text");
    }
    return joined;
  }

  absl::StatusOr<std::string> Select(const json::Array& pair, int depth) {
    std::optional<int64_t> index = pair[0].ToInt64();
    if (const std::string* digits = pair[0].IfString(); digits != nullptr && digits->size() == 1) {
      index = digits->front() - '0';
    }
    HP_ASSIGN_OR_RETURN(const std::vector<std::string> texts, List(pair[1], depth));
    if (!index || *index < 0 || *index >= static_cast<int64_t>(texts.size())) {
      return absl::InvalidArgumentError("Fn::Select beyond the list");
    }
    return texts[static_cast<size_t>(*index)];
  }

  // "…${Name}…", with the names of a map beside it, or else of parameters.
  absl::StatusOr<std::string> Substitute(const json::Value& argument, int depth) {
    const json::Array* pair = PairOf(argument);
    const json::Value& source = pair != nullptr ? (*pair)[0] : argument;
    const json::Object* names = pair != nullptr ? (*pair)[1].IfObject() : nullptr;
    const std::string* text = source.IfString();
    if (text == nullptr) return absl::InvalidArgumentError("Fn::Sub takes a text");
    std::string out;
    std::string_view rest = *text;
    for (size_t at = rest.find("${"); at != std::string_view::npos; at = rest.find("${")) {
      const size_t end = rest.find('}', at);
      if (end == std::string_view::npos) break;
      out += rest.substr(0, at);
      const std::string name(rest.substr(at + 2, end - at - 2));
      const json::Value* given = names == nullptr ? nullptr : names->Find(name);
      HP_ASSIGN_OR_RETURN(const std::string value,
                          given == nullptr ? Parameter(name) : Text(*given, depth));
      out += value;
      rest.remove_prefix(end + 1);
      if (out.size() > kTextBytesMax) return absl::InvalidArgumentError("too long a text");
    }
    return out + std::string(rest);
  }

  const Parameters& parameters_;
  int calls_left_ = kCallsMax;
};

absl::Status CheckParameters(const json::Object& parameters) {
  for (const json::Member& member : parameters) {
    const std::string path = "Parameters." + member.key;
    const json::Object* declared = member.value.IfObject();
    if (declared == nullptr) return Invalid(path, "must be an object");
    const std::string* type = declared->FindString("Type");
    if (type == nullptr || *type != "String") return Invalid(path + ".Type", "must be String");
    if (declared->Has("Default") && declared->FindString("Default") == nullptr) {
      return Invalid(path + ".Default", "must be text");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProvisioningTemplate> ProvisioningTemplate::Parse(std::string_view body_json) {
  json::Value body;
  const json::ParseResult parsed = json::ParseInto(body_json, kLimits, body);
  if (!parsed.ok() || !body.is_object()) {
    return Invalid("body_json", parsed.ok() ? "must be an object" : json::ToText(parsed.error));
  }
  ProvisioningTemplate made;
  const json::Object& root = *body.IfObject();
  if (const json::Object* parameters = root.FindObject("Parameters")) {
    HP_RETURN_IF_ERROR(CheckParameters(*parameters));
    made.parameters_ = *parameters;
  }
  if (const json::Object* configuration = root.FindObject("DeviceConfiguration")) {
    made.device_configuration_ = *configuration;
  }
  const json::Object* resources = root.FindObject("Resources");
  if (resources == nullptr) return Invalid("Resources", "is missing");
  for (const json::Member& member : *resources) {
    const json::Object* resource = member.value.IfObject();
    const std::string path = "Resources." + member.key;
    if (resource == nullptr) return Invalid(path, "must be an object");
    const std::string* type = resource->FindString("Type");
    if (type == nullptr) return Invalid(path + ".Type", "is missing");
    if (*type == "AWS::IoT::Certificate" || *type == "AWS::IoT::Policy") continue;
    if (*type != "AWS::IoT::Thing") return Invalid(path + ".Type", "is no type of AWS IoT");
    const json::Object* properties = resource->FindObject("Properties");
    const json::Value* name = properties == nullptr ? nullptr : properties->Find("ThingName");
    if (name == nullptr) return Invalid(path + ".Properties.ThingName", "is missing");
    if (!made.thing_name_.is_null()) return Invalid(path, "there is another thing already");
    if (!name->is_string() && !AsCall(*name)) {
      return Invalid(path + ".Properties.ThingName", "neither text nor a function");
    }
    made.thing_name_ = *name;
  }
  if (made.thing_name_.is_null()) return Invalid("Resources", "hold no AWS::IoT::Thing");
  return made;
}

absl::StatusOr<Blueprint> ProvisioningTemplate::Evaluate(const Parameters& parameters) const {
  Parameters known;
  for (const json::Member& member : parameters_) {
    const std::string* preset = member.value.IfObject()->FindString("Default");
    if (preset != nullptr) known[member.key] = *preset;
  }
  for (const auto& [name, value] : parameters) {
    const bool built_in = std::string_view(name).substr(0, kBuiltIn.size()) == kBuiltIn;
    // Others are none of the template's: AWS hands them to its hook, and devices send them.
    if (built_in || parameters_.Has(name)) known[name] = value;
  }
  for (const json::Member& member : parameters_) {
    const bool built_in = std::string_view(member.key).substr(0, kBuiltIn.size()) == kBuiltIn;
    if (!built_in && !known.contains(member.key)) {
      return absl::InvalidArgumentError(fmt::format("parameter {} is missing", member.key));
    }
  }
  Blueprint blueprint;
  HP_ASSIGN_OR_RETURN(blueprint.thing_name, Evaluator(known).Text(thing_name_));
  if (!auth::IsDeviceName(blueprint.thing_name)) {
    return absl::InvalidArgumentError("the thing's name is 1-128 of [A-Za-z0-9:._-]");
  }
  blueprint.device_configuration = device_configuration_;
  return blueprint;
}

}  // namespace homeport::registry
