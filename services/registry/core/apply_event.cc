#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/model/arguments.h"
#include "libs/model/missing.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/event_key.h"
#include "services/registry/core/payload.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/report.h"

// Events of the product model, and raw telemetry.
namespace homeport::registry {
namespace {

// What the topic names: event/2/1, or event/light/overheated by the names of the model.
struct EventName {
  model::GivenId id;  // empty where the event has names
  std::string path;   // "light.overheated", or "s2.e1"
};

std::optional<EventName> ReadName(std::string_view detail) {
  const size_t slash = detail.find('/');
  if (slash == 0 || slash == detail.npos || slash + 1 == detail.size()) return std::nullopt;
  const std::string_view service = detail.substr(0, slash), event = detail.substr(slash + 1);
  if (detail.front() < '0' || detail.front() > '9') {
    return EventName{{}, fmt::format("{}.{}", service, event)};
  }
  uint32_t siid = 0, eiid = 0;
  const char* const end = detail.data() + detail.size();
  const auto first = std::from_chars(detail.data(), detail.data() + slash, siid);
  const auto second = std::from_chars(event.data(), end, eiid);
  if (first.ec != std::errc() || first.ptr != detail.data() + slash) return std::nullopt;
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return EventName{{siid, eiid}, fmt::format("s{}.e{}", siid, eiid)};
}

void Answer(const ApplyContext& context, Refusal reason, model::Code code,
            std::string_view message) {
  Refuse(context, reason, message);
  PublishToSender(context, fmt::format("device/{}/down/refused", context.device.id),
                  RefusedAnswer({}, code, message, {}));
}

// The arguments as a list: {"temperature": 80} is [{"name":"temperature","value":80}]. Null where
// they are neither.
std::optional<json::Array> ReadArguments(const json::Object& root) {
  const json::Value* given = root.Find("arguments");
  if (given == nullptr) return json::Array();
  if (const json::Array* list = given->IfArray()) return *list;
  const json::Object* named = given->IfObject();
  if (named == nullptr) return std::nullopt;
  json::Array list;
  for (const json::Member& member : *named) {
    json::Object entry;
    entry.Append("name", member.key);
    entry.Append("value", member.value);
    list.emplace_back(std::move(entry));
  }
  return list;
}

// {"<property>": value}, as is stored and sent. REQUIRES: ValidateEvent has accepted the list.
json::Object NamedArguments(const model::Model& model, const model::Event& event,
                            const json::Array& arguments) {
  json::Object named;
  json::Array arranged = model::ArrangeArguments(model, event.siid, event.arguments, arguments);
  for (size_t i = 0; i < arranged.size(); ++i) {
    const model::Property* property = model.FindProperty(event.siid, event.arguments[i]);
    named.Set(property->key, std::move(arranged[i]));
  }
  return named;
}

// The same where no model says what the arguments are: by the names given, or p<piid>, which for
// bare values is the place in the list.
json::Object FreeArguments(const json::Array& arguments) {
  json::Object named;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const json::Object* pair = arguments[i].IfObject();
    if (pair == nullptr) {
      named.Set(fmt::format("p{}", i + 1), arguments[i]);
      continue;
    }
    const json::Value* value = pair->Find("value");
    const std::string* name = pair->FindString("name");
    const auto piid = pair->FindInt64("piid");
    if (value == nullptr || (name == nullptr && !piid)) continue;
    named.Set(name != nullptr ? *name : fmt::format("p{}", *piid), *value);
  }
  return named;
}

// "<device> <name> <key>"; neither a device id nor a name has a space in it.
std::string Identity(const EventRow& row) {
  return fmt::format("{} {} {}", row.device, row.name, row.key);
}

// Only a DUP is asked for: ids of devices may start anew at every boot.
bool WasStored(const ApplyContext& context, const EventRow& row) {
  if (!context.message.dup() || row.key.empty()) return false;
  if (context.effects.event_keys.contains(Identity(row))) return true;
  const std::vector<EventRow>& now = context.effects.events;
  return std::any_of(now.rbegin(), now.rend(), [&](const EventRow& stored) {
    return stored.device == row.device && stored.key == row.key && stored.name == row.name;
  });
}

void StoreEvent(const ApplyContext& context, std::string name, const json::Object& arguments,
                const json::Object& root, int64_t event_ms) {
  EventRow row;
  row.device = context.device.id;
  row.name = std::move(name);
  json::Print(arguments, row.arguments);
  row.key = EventKey(root, row.arguments);
  if (WasStored(context, row)) {
    ++context.effects.tally.duplicate_events;
    return;
  }
  row.received_ms = context.message.received_ms();
  row.event_ms = event_ms;
  internal::v1::DeviceChange change;
  change.set_kind(internal::v1::DeviceChange::KIND_EVENT);
  change.set_event(row.name);
  change.set_reported(row.arguments);
  change.set_time_ms(event_ms);
  context.effects.events.push_back(std::move(row));
  TellWatchers(context, std::move(change));
}

// Null where the model has it not; `code` then says why.
const model::Event* FindEvent(const model::Model& model, const EventName& name, model::Code& code) {
  const bool by_number = name.id.siid.has_value();
  const model::Event* event =
      by_number ? model::FindEvent(model, name.id) : model.FindEvent(std::string_view(name.path));
  if (event == nullptr) {
    code = by_number ? model::MissingCode(model, name.id, model::Part::kEvent)
                     : model::MissingCode(model, name.path, model::Part::kEvent);
  }
  return event;
}

}  // namespace

void ApplyEvent(const ApplyContext& context) {
  json::Value document;
  const std::optional<EventName> name = ReadName(context.message.detail());
  if (!name) {
    return Answer(context, Refusal::kInvalidName, model::Code::kInvalidId, "not siid/eiid");
  }
  if (const std::string_view complaint = ReadPayload(context.message, document);
      !complaint.empty()) {
    return Answer(context, Refusal::kMalformedPayload, model::Code::kWrongValue, complaint);
  }
  const json::Object* root = document.IfObject();
  if (root == nullptr) {
    return Answer(context, Refusal::kMalformedPayload, model::Code::kWrongValue, "no object");
  }
  const std::optional<json::Array> arguments = ReadArguments(*root);
  const model::Model* model = ModelOf(context);
  model::Code code = arguments ? model::Code::kOk : model::Code::kWrongResultCount;
  const model::Event* event = model == nullptr ? nullptr : FindEvent(*model, *name, code);
  if (event != nullptr && code == model::Code::kOk) {
    code = model::ValidateEvent(*model, *event, *arguments).code;
  }
  if (code != model::Code::kOk) {
    return Answer(context, Refusal::kModelViolation, code, model::ToText(code));
  }
  StoreEvent(
      context, event != nullptr ? std::string(event->path) : name->path,
      event != nullptr ? NamedArguments(*model, *event, *arguments) : FreeArguments(*arguments),
      *root, BelievedTime(context, root->FindInt64("ts")));
}

void ApplyTelemetry(const ApplyContext& context) {
  const auto& message = context.message;
  context.effects.telemetry.push_back(
      {message.device(), message.detail(), message.payload(), message.received_ms()});
}

}  // namespace homeport::registry
