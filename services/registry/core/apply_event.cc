#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/model/validate.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/event_key.h"
#include "services/registry/core/payload.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/report.h"

// Events of the product model, and raw telemetry.
namespace homeport::registry {
namespace {

struct EventId {
  uint32_t siid = 0;
  uint32_t eiid = 0;
};

bool ParseEventId(std::string_view detail, EventId& id) {
  const char* const end = detail.data() + detail.size();
  const auto [slash, siid_error] = std::from_chars(detail.data(), end, id.siid);
  if (siid_error != std::errc() || slash == end || *slash != '/') return false;
  const auto [last, eiid_error] = std::from_chars(slash + 1, end, id.eiid);
  return eiid_error == std::errc() && last == end;
}

void Answer(const ApplyContext& context, Refusal reason, model::Code code,
            std::string_view message) {
  Refuse(context, reason, message);
  PublishToSender(context, fmt::format("device/{}/down/refused", context.device.id),
                  RefusedAnswer({}, code, message, {}));
}

// {"<property>": value}: both forms of an argument list, [{"piid","value"}] and bare values in the
// order of the model. REQUIRES, with a model: ValidateEvent has accepted the list.
json::Object NamedArguments(const model::Model* model, const model::Event* event, uint32_t siid,
                            const json::Array& arguments) {
  json::Object named;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const json::Object* pair = arguments[i].IfObject();
    const json::Value* value = pair == nullptr ? &arguments[i] : pair->Find("value");
    const auto given = pair == nullptr ? std::nullopt : pair->FindInt64("piid");
    if (value == nullptr || (pair != nullptr && !given)) continue;
    uint32_t piid = static_cast<uint32_t>(given.value_or(static_cast<int64_t>(i) + 1));
    if (!given && event != nullptr) piid = event->arguments[i];
    const model::Property* property = model ? model->FindProperty(siid, piid) : nullptr;
    named.Set(property ? std::string(property->key) : fmt::format("p{}", piid), *value);
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

// A device's clock is believed within a day of ours.
int64_t EventTime(const ApplyContext& context, const json::Object& root) {
  constexpr int64_t kDayMs = 86'400'000;
  const int64_t received_ms = context.message.received_ms();
  const int64_t ts = root.FindInt64("ts").value_or(received_ms);
  return ts > received_ms - kDayMs && ts < received_ms + kDayMs ? ts : received_ms;
}

}  // namespace

void ApplyEvent(const ApplyContext& context) {
  EventId id;
  json::Value document;
  if (!ParseEventId(context.message.detail(), id)) {
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
  static const json::Array kNone;
  const json::Array* arguments = root->FindArray("arguments");
  if (arguments == nullptr) arguments = &kNone;
  const model::Model* model = ModelOf(context);
  const model::Event* event = nullptr;
  if (model != nullptr) {
    event = model->FindEvent(id.siid, id.eiid);
    const model::Code code = event == nullptr
                                 ? model::Code::kNoEvent
                                 : model::ValidateEvent(*model, *event, *arguments).code;
    if (code != model::Code::kOk) {
      return Answer(context, Refusal::kModelViolation, code, model::ToText(code));
    }
  }
  StoreEvent(context, event ? std::string(event->path) : fmt::format("s{}.e{}", id.siid, id.eiid),
             NamedArguments(model, event, id.siid, *arguments), *root, EventTime(context, *root));
}

void ApplyTelemetry(const ApplyContext& context) {
  const auto& message = context.message;
  context.effects.telemetry.push_back(
      {message.device(), message.detail(), message.payload(), message.received_ms()});
}

}  // namespace homeport::registry
