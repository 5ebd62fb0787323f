#include "services/gateway/control/control_convert.h"

#include <algorithm>
#include <utility>

#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"
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
  return ref.name().empty() ? fmt::format("siid {} piid {}", ref.siid(), ref.piid()) : ref.name();
}

void AddViolation(CommandPayload& out, std::string field, std::string why, model::Code code) {
  if (out.violations.empty()) out.first_code = code;
  out.violations.push_back({std::move(field), std::move(why)});
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
  if (ref.siid() < 0 || ref.piid() < 0) return nullptr;
  return model.FindProperty(static_cast<uint32_t>(ref.siid()), static_cast<uint32_t>(ref.piid()));
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
      AddViolation(out, fmt::format("properties[{}].property", i),
                   NameOf(wanted.property()) + ": the model has no such property",
                   model::Code::kNoProperty);
      continue;
    }
    const json::Value value = ToJson(wanted.value());
    const model::Checked checked = model::ValidateSet(model, property->siid, property->piid, value);
    if (!checked.ok()) {
      const std::string_view why = checked.code == model::Code::kWrongValue
                                       ? model::ToText(checked.verdict)
                                       : model::ToText(checked.code);
      AddViolation(out, fmt::format("properties[{}].value", i),
                   fmt::format("{}: {}", property->path, why), checked.code);
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
    const model::Property* property = FindProperty(model, request.properties(i));
    if (property == nullptr) {
      AddViolation(out, fmt::format("properties[{}]", i),
                   NameOf(request.properties(i)) + ": the model has no such property",
                   model::Code::kNoProperty);
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
  const model::Action* action =
      request.action().empty()
          ? model.FindAction(static_cast<uint32_t>(std::max(request.siid(), 0)),
                             static_cast<uint32_t>(std::max(request.aiid(), 0)))
          : model.FindAction(request.action());
  if (action == nullptr) {
    AddViolation(out, "action", "the model has no such action", model::Code::kNoAction);
    return out;
  }
  json::Array in;
  for (const type::v1::Value& argument : request.arguments()) in.push_back(ToJson(argument));
  const model::Checked checked = model::ValidateActionIn(model, *action, in);
  if (!checked.ok()) {
    AddViolation(out, "arguments", fmt::format("{}: {}", action->path, model::ToText(checked.code)),
                 checked.code);
    return out;
  }
  json::Object payload;
  payload.Append("siid", action->siid);
  payload.Append("aiid", action->aiid);
  payload.Append("in", std::move(in));
  json::Print(payload, out.json);
  return out;
}

absl::StatusOr<DeviceReply> ParseReply(std::string_view payload, const model::Model& model) {
  const absl::StatusOr<json::Value> parsed = json::Parse(payload);
  const json::Object* object = parsed.ok() ? parsed->IfObject() : nullptr;
  if (object == nullptr) return absl::InvalidArgumentError("the device's reply is no JSON object");
  DeviceReply reply;
  reply.code = object->FindInt64("code").value_or(0);
  if (const json::Array* params = object->FindArray("params")) {
    for (const json::Value& param : *params) {
      const json::Object* entry = param.IfObject();
      if (entry == nullptr) return absl::InvalidArgumentError("params holds no object");
      PropertyValue& out = reply.params.emplace_back();
      const int64_t siid = entry->FindInt64("siid").value_or(0);
      const int64_t piid = entry->FindInt64("piid").value_or(0);
      out.mutable_property()->set_siid(static_cast<int32_t>(siid));
      out.mutable_property()->set_piid(static_cast<int32_t>(piid));
      if (const model::Property* known = FindProperty(model, out.property())) {
        *out.mutable_property() = ToRef(*known);
      }
      out.set_code(static_cast<int32_t>(entry->FindInt64("code").value_or(0)));
      if (const json::Value* value = entry->Find("value")) *out.mutable_value() = ToProto(*value);
    }
  }
  if (const json::Array* results = object->FindArray("out")) {
    for (const json::Value& result : *results) {
      // Either bare values, or {"piid","value"} as control modules send them.
      const json::Value* value = result.is_object() ? result.Find("value") : &result;
      reply.out.push_back(ToProto(value == nullptr ? json::Value() : *value));
    }
  }
  return reply;
}

control::v1::Outcome OutcomeOf(const DeviceReply& reply) {
  int64_t lowest = reply.code;
  int64_t highest = reply.code;
  for (const PropertyValue& param : reply.params) {
    lowest = std::min<int64_t>(lowest, param.code());
    highest = std::max<int64_t>(highest, param.code());
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
                if (model != nullptr) {
                  if (const model::Property* known = model->FindProperty(path)) {
                    *entry.mutable_property() = ToRef(*known);
                  }
                }
                if (!value.is_null()) *entry.mutable_value() = ToProto(value);
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
