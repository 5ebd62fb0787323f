#include "services/gateway/control/control_convert.h"

#include <algorithm>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/model/arguments.h"
#include "libs/model/missing.h"
#include "libs/model/validate.h"
#include "libs/rpc/resource_name.h"

namespace homeport::gateway {
namespace {

using control::v1::PropertyValue;

json::Value RefJson(const model::Property& property) {
  json::Object ref;
  ref.Append("siid", property.siid);
  ref.Append("piid", property.piid);
  return ref;
}

std::string NameOf(const type::v1::PropertyRef& ref) {
  constexpr size_t kShownMax = 64;
  return ref.name().empty() ? fmt::format("siid {} piid {}", ref.siid(), ref.piid())
                            : ref.name().substr(0, kShownMax);
}

// What is wrong with one part of a request. `index` is its place in the request's list; negative:
// it is about the request as a whole.
struct Violation {
  int index = -1;
  std::string field;
  std::string why;
  model::Code code;
};

// All are listed as far as they fit an error, which travels in the headers.
void AddViolation(CommandPayload& out, const Violation& violation) {
  constexpr size_t kListedMax = 25;
  const auto code = static_cast<int32_t>(violation.code);
  if (out.violations.empty()) {
    out.first_code = violation.code;
    out.codes.emplace("code", std::to_string(code));
  }
  if (out.violations.size() >= kListedMax) return;
  if (violation.index >= 0) {
    out.codes.emplace(fmt::format("code[{}]", violation.index), std::to_string(code));
  }
  out.violations.push_back({violation.field, fmt::format("{} ({})", violation.why, code)});
}

model::GivenId IdOf(const type::v1::PropertyRef& ref) { return {ref.siid(), ref.piid()}; }

// The value as the model has it, or in its place the code that says that it does not fit.
void PutTyped(const model::Property& property, const json::Value& value, PropertyValue& out) {
  if (model::ValidateValue(property, value) == model::Verdict::kOk) {
    *out.mutable_value() = ToProto(model::Normalise(property, value));
  } else if (out.code() >= 0) {
    out.set_code(static_cast<int32_t>(model::Code::kWrongValue));
  }
}

// Walks to the leaves; `path` is "service.property" (deeper levels add their keys).
template <typename Visit>
void VisitLeaves(const json::Value& value, const json::Value* metadata, const std::string& path,
                 const Visit& visit) {
  const json::Object* object = value.IfObject();
  if (object == nullptr) return visit(path, value, metadata);
  for (const json::Member& member : *object) {
    const json::Value* below = metadata == nullptr ? nullptr : metadata->Find(member.key);
    VisitLeaves(member.value, below, path.empty() ? member.key : path + "." + member.key, visit);
  }
}

json::Value ParseOr(std::string_view text, json::Value otherwise) {
  absl::StatusOr<json::Value> value = json::Parse(text);
  return value.ok() ? *std::move(value) : std::move(otherwise);
}

}  // namespace

json::Value ToJson(const type::v1::Value& value) {
  switch (value.kind_case()) {
    case type::v1::Value::kBoolValue:
      return value.bool_value();
    case type::v1::Value::kIntValue:
      return value.int_value();
    case type::v1::Value::kDoubleValue:
      return value.double_value();
    case type::v1::Value::kStringValue:
      return value.string_value();
    default:
      return nullptr;
  }
}

type::v1::Value ToProto(const json::Value& value) {
  type::v1::Value out;
  if (const bool* b = value.IfBool()) {
    out.set_bool_value(*b);
  } else if (const int64_t* i = value.IfInt64()) {
    out.set_int_value(*i);
  } else if (const double* d = value.IfDouble()) {
    out.set_double_value(*d);
  } else if (const std::string* s = value.IfString()) {
    out.set_string_value(*s);
  } else {
    out.set_string_value(json::Print(value));
  }
  return out;
}

const model::Property* FindProperty(const model::Model& model, const type::v1::PropertyRef& ref) {
  if (!ref.name().empty()) return model.FindProperty(ref.name());
  return model::FindProperty(model, IdOf(ref));
}

model::Code MissingCode(const model::Model& model, const type::v1::PropertyRef& ref) {
  constexpr auto kPart = model::Part::kProperty;
  return ref.name().empty() ? model::MissingCode(model, IdOf(ref), kPart)
                            : model::MissingCode(model, ref.name(), kPart);
}

type::v1::PropertyRef ToRef(const model::Property& property) {
  type::v1::PropertyRef ref;
  ref.set_siid(property.siid);
  ref.set_piid(property.piid);
  ref.set_name(std::string(property.path));
  return ref;
}

CommandPayload SetPayload(const model::Model& model,
                          const control::v1::SetPropertiesRequest& request) {
  CommandPayload out;
  json::Array params;
  for (int i = 0; i < request.properties_size(); ++i) {
    const PropertyValue& wanted = request.properties(i);
    const model::Property* property = FindProperty(model, wanted.property());
    if (property == nullptr) {
      const model::Code code = MissingCode(model, wanted.property());
      AddViolation(out,
                   {i, fmt::format("properties[{}].property", i),
                    fmt::format("{}: {}", NameOf(wanted.property()), model::ToText(code)), code});
      continue;
    }
    const json::Value value = ToJson(wanted.value());
    const model::Checked checked = model::ValidateSet(model, property->siid, property->piid, value);
    if (!checked.ok()) {
      const std::string_view why = checked.code == model::Code::kWrongValue
                                       ? model::ToText(checked.verdict)
                                       : model::ToText(checked.code);
      AddViolation(out, {i, fmt::format("properties[{}].value", i),
                         fmt::format("{}: {}", property->path, why), checked.code});
      continue;
    }
    json::Value param = RefJson(*property);
    param.IfObject()->Append("value", model::Normalise(*property, value));
    params.push_back(std::move(param));
  }
  json::Object payload;
  payload.Append("params", std::move(params));
  json::Print(payload, out.json);
  return out;
}

CommandPayload GetPayload(const model::Model& model,
                          const control::v1::GetPropertiesRequest& request) {
  CommandPayload out;
  json::Array params;
  for (int i = 0; i < request.properties_size(); ++i) {
    const type::v1::PropertyRef& ref = request.properties(i);
    const model::Property* property = FindProperty(model, ref);
    const model::Code code = property == nullptr
                                 ? MissingCode(model, ref)
                                 : model::ValidateGet(model, property->siid, property->piid).code;
    if (code != model::Code::kOk) {
      AddViolation(out, {i, fmt::format("properties[{}]", i),
                         fmt::format("{}: {}", NameOf(ref), model::ToText(code)), code});
      continue;
    }
    params.push_back(RefJson(*property));
  }
  if (request.properties().empty()) {
    for (const model::Property& property : model.properties()) {
      if (property.Can(model::kRead)) params.push_back(RefJson(property));
    }
  }
  json::Object payload;
  payload.Append("params", std::move(params));
  json::Print(payload, out.json);
  return out;
}

CommandPayload ActionPayload(const model::Model& model,
                             const control::v1::InvokeActionRequest& request) {
  CommandPayload out;
  const model::GivenId id{request.siid(), request.aiid()};
  const bool by_id = request.action().empty();
  out.action = by_id ? model::FindAction(model, id) : model.FindAction(request.action());
  if (out.action == nullptr) {
    const model::Code code =
        by_id ? model::MissingCode(model, id, model::Part::kAction)
              : model::MissingCode(model, request.action(), model::Part::kAction);
    AddViolation(out, {-1, "action", std::string(model::ToText(code)), code});
    return out;
  }
  const model::Action& action = *out.action;
  json::Array in;
  for (const type::v1::Value& argument : request.arguments()) in.push_back(ToJson(argument));
  const model::Checked checked = model::ValidateActionIn(model, action, in);
  if (!checked.ok()) {
    const bool is_one = checked.property != nullptr;
    const auto at = is_one ? std::find(action.in.begin(), action.in.end(), checked.property->piid)
                           : action.in.end();
    const int index = at == action.in.end() ? -1 : static_cast<int>(at - action.in.begin());
    AddViolation(
        out, {index, index < 0 ? "arguments" : fmt::format("arguments[{}]", index),
              fmt::format("{}: {}", is_one ? checked.property->path : action.path,
                          is_one ? model::ToText(checked.verdict) : model::ToText(checked.code)),
              checked.code});
    return out;
  }
  json::Object payload;
  payload.Append("siid", action.siid);
  payload.Append("aiid", action.aiid);
  payload.Append("in", model::ArrangeArguments(model, action.siid, action.in, in));
  json::Print(payload, out.json);
  return out;
}

namespace {

absl::Status BadReply(std::string_view what) {
  return ErrorWithReason(absl::StatusCode::kUnknown, "DEVICE_REPLY_INVALID",
                         fmt::format("the device's reply: {}", what));
}

absl::Status ReadParams(const json::Array& params, const model::Model& model, model::Verb verb,
                        DeviceReply& reply) {
  for (const json::Value& param : params) {
    const json::Object* entry = param.IfObject();
    if (entry == nullptr) return BadReply("params holds no object");
    PropertyValue& out = reply.params.emplace_back();
    const model::GivenId id{entry->FindInt64("siid"), entry->FindInt64("piid")};
    const model::Property* known = model::FindProperty(model, id);
    out.set_code(model::FromDevice(entry->FindInt64("code").value_or(0), verb));
    const json::Value* value = entry->Find("value");
    if (known != nullptr) {
      *out.mutable_property() = ToRef(*known);
      if (value != nullptr) PutTyped(*known, *value, out);
      continue;
    }
    out.mutable_property()->set_siid(static_cast<int32_t>(id.siid.value_or(0)));
    out.mutable_property()->set_piid(static_cast<int32_t>(id.iid.value_or(0)));
    if (value != nullptr) *out.mutable_value() = ToProto(*value);
  }
  return absl::OkStatus();
}

// Results that are not what the model promises are not passed on: the reply is their code.
void ReadResults(const json::Object& object, const model::Model& model, const model::Action& action,
                 DeviceReply& reply) {
  static const json::Array kNone;
  const json::Array* given = object.FindArray("out");
  const json::Array& results = given == nullptr ? kNone : *given;
  // What is only accepted may have no results yet.
  if (reply.code < 0 || (reply.code > 0 && results.empty())) return;
  if (const model::Checked checked = model::ValidateActionOut(model, action, results);
      !checked.ok()) {
    reply.code = static_cast<int32_t>(checked.code);
    return;
  }
  for (const json::Value& result :
       model::ArrangeArguments(model, action.siid, action.out, results)) {
    reply.out.push_back(ToProto(result));
  }
}

}  // namespace

absl::StatusOr<DeviceReply> ParseReply(std::string_view payload, const model::Model& model,
                                       const Asked& asked) {
  const absl::StatusOr<json::Value> parsed = json::Parse(payload);
  const json::Object* object = parsed.ok() ? parsed->IfObject() : nullptr;
  if (object == nullptr) return BadReply("is no JSON object");
  DeviceReply reply;
  reply.code = model::FromDevice(object->FindInt64("code").value_or(0), asked.verb);
  if (asked.action != nullptr) {
    ReadResults(*object, model, *asked.action, reply);
  } else if (const json::Array* params = object->FindArray("params")) {
    if (absl::Status status = ReadParams(*params, model, asked.verb, reply); !status.ok()) {
      return status;
    }
  }
  return reply;
}

control::v1::Outcome OutcomeOf(const DeviceReply& reply) {
  int32_t lowest = reply.code;
  int32_t highest = reply.code;
  for (const PropertyValue& param : reply.params) {
    lowest = std::min(lowest, param.code());
    highest = std::max(highest, param.code());
  }
  if (lowest < 0) return control::v1::OUTCOME_FAILED;
  return highest > 0 ? control::v1::OUTCOME_ACCEPTED : control::v1::OUTCOME_DONE;
}

std::vector<PropertyValue> ToProperties(std::string_view reported_json,
                                        std::string_view metadata_json, const model::Model* model) {
  std::vector<PropertyValue> out;
  const json::Value reported = ParseOr(reported_json, json::Object());
  const json::Value metadata = ParseOr(metadata_json, json::Object());
  VisitLeaves(reported, &metadata, "",
              [&](const std::string& path, const json::Value& value, const json::Value* meta) {
                if (path.empty()) return;
                PropertyValue& entry = out.emplace_back();
                entry.mutable_property()->set_name(path);
                const model::Property* known =
                    model == nullptr ? nullptr : model->FindProperty(std::string_view(path));
                if (known != nullptr) *entry.mutable_property() = ToRef(*known);
                if (known != nullptr && !value.is_null()) {
                  PutTyped(*known, value, entry);
                } else if (!value.is_null()) {
                  *entry.mutable_value() = ToProto(value);
                }
                const json::Object* leaf = meta == nullptr ? nullptr : meta->IfObject();
                if (leaf == nullptr) return;
                if (const auto seconds = leaf->FindInt64("timestamp")) {
                  entry.mutable_update_time()->set_seconds(*seconds);
                }
              });
  return out;
}

control::v1::WatchEvent ToEvent(const internal::v1::DeviceChange& change, std::string_view tenant,
                                const model::Model* model) {
  using internal::v1::DeviceChange;
  control::v1::WatchEvent event;
  switch (change.kind()) {
    case DeviceChange::KIND_SNAPSHOT:
      event.set_kind(control::v1::WatchEvent::KIND_SNAPSHOT);
      break;
    case DeviceChange::KIND_PRESENCE:
      event.set_kind(control::v1::WatchEvent::KIND_PRESENCE);
      break;
    case DeviceChange::KIND_EVENT:
      event.set_kind(control::v1::WatchEvent::KIND_EVENT);
      break;
    default:
      event.set_kind(control::v1::WatchEvent::KIND_CHANGE);
  }
  event.set_name(rpc::FormatDeviceName(tenant, change.device()));
  for (PropertyValue& value : ToProperties(change.reported(), "", model)) {
    *event.add_properties() = std::move(value);
  }
  event.set_online(change.online());
  event.set_shadow_version(change.version());
  event.mutable_event_time()->set_seconds(change.time_ms() / 1000);
  event.mutable_event_time()->set_nanos(static_cast<int32_t>(change.time_ms() % 1000 * 1'000'000));
  event.set_event(change.event());
  return event;
}

}  // namespace homeport::gateway
