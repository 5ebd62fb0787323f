#include "services/fleet/sim/device_codec.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/model/arguments.h"
#include "libs/model/missing.h"
#include "libs/model/shadow_path.h"
#include "libs/model/validate.h"

namespace homeport::fleet {
namespace {

using model::Code;

constexpr json::ParseLimits kLimits{.depth_max = 16, .bytes_max = 256 * 1024, .nodes_max = 10'000};

std::string CodeOnly(Code code) { return fmt::format(R"({{"code":{}}})", static_cast<int>(code)); }

// One entry of "params": ids as they came, since a reply names them even when they are unknown.
struct Param {
  uint32_t siid = 0;
  uint32_t piid = 0;
  const json::Value* value = nullptr;
};

std::optional<Param> ReadParam(const json::Value& entry) {
  const json::Object* object = entry.IfObject();
  if (object == nullptr) return std::nullopt;
  const auto siid = object->FindInt64("siid");
  const auto piid = object->FindInt64("piid");
  if (!siid || !piid || !std::in_range<uint32_t>(*siid) || !std::in_range<uint32_t>(*piid)) {
    return std::nullopt;
  }
  return Param{static_cast<uint32_t>(*siid), static_cast<uint32_t>(*piid), object->Find("value")};
}

Code SetOne(const Param& param, DeviceSim* device) {
  if (param.value == nullptr) return Code::kWrongValue;
  const model::Checked checked =
      model::ValidateSet(device->kind().model, param.siid, param.piid, *param.value);
  if (checked.ok())
    device->Set(*checked.property, model::Normalise(*checked.property, *param.value));
  return checked.code;
}

Code GetOne(const Param& param, const DeviceSim& device) {
  return model::ValidateGet(device.kind().model, param.siid, param.piid).code;
}

std::string AnswerParams(Verb verb, const json::Object& command, DeviceSim* device) {
  const json::Array* params = command.FindArray("params");
  if (params == nullptr || params->empty()) return CodeOnly(Code::kWrongValue);
  Code first_failure = Code::kOk;
  std::string list;
  for (const json::Value& entry : *params) {
    const std::optional<Param> param = ReadParam(entry);
    if (!param) return CodeOnly(Code::kInvalidId);
    const Code code = verb == Verb::kSet ? SetOne(*param, device) : GetOne(*param, *device);
    if (first_failure == Code::kOk) first_failure = code;
    list += fmt::format(R"({}{{"siid":{},"piid":{},"code":{})", list.empty() ? "" : ",",
                        param->siid, param->piid, static_cast<int>(code));
    if (code == Code::kOk) {
      list += R"(,"value":)";
      json::Print(device->Get(*device->kind().model.FindProperty(param->siid, param->piid)), list);
    }
    list += '}';
  }
  return fmt::format(R"({{"code":{},"params":[{}]}})", static_cast<int>(first_failure), list);
}

std::string AnswerAction(const json::Object& command, DeviceSim* device) {
  const model::GivenId id{command.FindInt64("siid"), command.FindInt64("aiid")};
  const model::Model& model = device->kind().model;
  const model::Action* action = model::FindAction(model, id);
  if (action == nullptr) return CodeOnly(model::MissingCode(model, id, model::Part::kAction));
  const json::Array* in = command.FindArray("in");
  const json::Array& arguments = in != nullptr ? *in : json::Array();
  if (const auto checked = model::ValidateActionIn(model, *action, arguments); !checked.ok()) {
    return CodeOnly(checked.code);
  }
  DeviceSim::ActionResult result =
      device->Act(*action, model::ArrangeArguments(model, action->siid, action->in, arguments));
  return fmt::format(R"({{"code":{},"out":{}}})", static_cast<int>(result.code),
                     json::Print(json::Value(std::move(result.out))));
}

}  // namespace

std::string PropertiesPayload(const DeviceSim& device, const DeviceSim::Properties& properties,
                              int64_t id, int64_t wall_ms) {
  std::string payload = R"({"params":[)";
  for (const model::Property* property : properties) {
    if (payload.back() == '}') payload += ',';
    payload += fmt::format(R"({{"siid":{},"piid":{},"value":)", property->siid, property->piid);
    json::Print(device.Get(*property), payload);
    payload += '}';
  }
  payload += fmt::format(R"(],"id":{},"ts":{}}})", id, wall_ms);
  return payload;
}

std::string EventPayload(const DeviceSim::HappenedEvent& event, int64_t wall_ms) {
  std::string payload = R"({"arguments":[)";
  for (size_t i = 0; i < event.arguments.size(); ++i) {
    if (i > 0) payload += ',';
    payload += fmt::format(R"({{"piid":{},"value":)", event.event->arguments[i]);
    json::Print(event.arguments[i], payload);
    payload += '}';
  }
  payload += fmt::format(R"(],"ts":{}}})", wall_ms);
  return payload;
}

std::string Answer(Verb verb, std::string_view payload, DeviceSim* device) {
  json::Value command;
  if (!json::ParseInto(payload, kLimits, command).ok() || !command.is_object()) {
    return CodeOnly(Code::kWrongValue);
  }
  if (verb == Verb::kAction) return AnswerAction(*command.IfObject(), device);
  return AnswerParams(verb, *command.IfObject(), device);
}

size_t ObeyDelta(std::string_view payload, DeviceSim* device) {
  json::Value document;
  if (!json::ParseInto(payload, kLimits, document).ok()) return 0;
  const json::Value* state = document.Find("state");
  if (state == nullptr) return 0;
  // shadow/get/accepted has the sections, shadow/update/delta is one.
  const bool sections = state->Find("reported") != nullptr || state->Find("desired") != nullptr;
  const json::Value* delta = sections ? state->Find("delta") : state;
  if (delta == nullptr || !delta->is_object()) return 0;
  size_t obeyed = 0;
  for (const model::FoundProperty& found :
       model::FindProperties(device->kind().model, *delta->IfObject())) {
    const auto checked = model::ValidateSet(device->kind().model, found.property->siid,
                                            found.property->piid, *found.value);
    if (!checked.ok()) continue;
    device->Set(*found.property, model::Normalise(*found.property, *found.value));
    ++obeyed;
  }
  return obeyed;
}

TopologyAnswer ReadTopologyAnswer(std::string_view payload) {
  json::Value document;
  if (!json::ParseInto(payload, kLimits, document).ok() || !document.is_object()) return {};
  const json::Value* device = document.IfObject()->Find("did");
  if (device == nullptr || device->IfString() == nullptr) return {};
  return {*device->IfString(), document.IfObject()->FindInt64("code").value_or(0)};
}

int64_t RefusalCode(std::string_view payload) {
  json::Value document;
  if (!json::ParseInto(payload, kLimits, document).ok() || !document.is_object()) return 0;
  return document.IfObject()->FindInt64("code").value_or(0);
}

}  // namespace homeport::fleet
