#include <string>
#include <utility>

#include "libs/json/print.h"
#include "libs/model/migrate.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/apply.h"
#include "libs/shadow/request.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/property_history.h"
#include "services/registry/core/publish.h"

// Which version of its product's model a device runs, and what becomes of its classic shadow when
// that changes. A device that says nothing runs the product's current version. Shadows change with
// the next message of their device: a product's update has not to touch a million rows at once.
namespace homeport::registry {
namespace {

// In the history of events; no model has a service of that name.
constexpr std::string_view kMigratedEvent = "$model.migrated";

json::Array LostToJson(const std::vector<model::LostValue>& lost, std::string_view section) {
  json::Array list;
  for (const model::LostValue& value : lost) {
    json::Object entry;
    entry.Append("section", section);
    entry.Append("property", value.path);
    entry.Append("reason", model::ToText(value.loss));
    list.emplace_back(std::move(entry));
  }
  return list;
}

json::Array MovedToJson(const std::vector<model::MovedValue>& moved, std::string_view section) {
  json::Array list;
  for (const model::MovedValue& value : moved) {
    json::Object entry;
    entry.Append("section", section);
    entry.Append("from", value.from);
    entry.Append("to", value.to);
    list.emplace_back(std::move(entry));
  }
  return list;
}

void Join(json::Array& list, json::Array more) {
  for (json::Value& value : more) list.push_back(std::move(value));
}

// One step of a device's shadow from one version's values to another's.
class ShadowMigration {
 public:
  ShadowMigration(const ApplyContext& context, const model::Model* was, const model::Model& now)
      : context_(context),
        document_(context.device.classic.document),
        reported_(model::MigrateState(was, now, document_.reported.state)),
        desired_(model::MigrateState(was, now, document_.desired.state)) {}

  [[nodiscard]] bool ChangesNothing() const {
    return reported_.patch.empty() && desired_.patch.empty();
  }

  // REQUIRES: it changes something.
  void Run(int64_t from, int64_t to) {
    context_.effects.tally.values_lost += reported_.lost.size() + desired_.lost.size();
    StoreEvent(from, to);
    json::Object state;
    if (!desired_.patch.empty()) state.Append("desired", std::move(desired_.patch));
    if (!reported_.patch.empty()) state.Append("reported", std::move(reported_.patch));
    Update(shadow::MakeUpdate(std::move(state)));
  }

 private:
  void StoreEvent(int64_t from, int64_t to) {
    json::Array lost = LostToJson(reported_.lost, "reported");
    Join(lost, LostToJson(desired_.lost, "desired"));
    json::Array moved = MovedToJson(reported_.moved, "reported");
    Join(moved, MovedToJson(desired_.moved, "desired"));
    json::Object arguments;
    arguments.Append("from", from);
    arguments.Append("to", to);
    arguments.Append("lost", std::move(lost));
    arguments.Append("moved", std::move(moved));
    EventRow row;
    row.device = context_.device.id;
    row.name = kMigratedEvent;
    json::Print(arguments, row.arguments);
    row.received_ms = row.event_ms = context_.message.received_ms();
    internal::v1::DeviceChange change;
    change.set_kind(internal::v1::DeviceChange::KIND_EVENT);
    change.set_event(row.name);
    change.set_reported(row.arguments);
    change.set_time_ms(row.event_ms);
    context_.effects.events.push_back(std::move(row));
    TellWatchers(context_, std::move(change));
  }

  void Update(const shadow::UpdateRequest& request) {
    const int64_t seconds = context_.message.received_ms() / 1000;
    const bool has_sessions = HasSessions(context_.device);
    // Values that move to longer paths may not push a full shadow over its limit.
    shadow::Limits limits = context_.limits.shadow;
    limits.bytes_max += request.state_bytes;
    PropertyHistory history(context_);
    static const json::Object kNothing;
    const json::Value* reported = request.reported();
    history.Expect(reported == nullptr ? &kNothing : reported->IfObject());
    const shadow::UpdateResult result = shadow::ApplyUpdate(
        document_, request, seconds, limits, {.want_previous = has_sessions, .want_changes = true});
    history.Note(result.changed_reported, context_.message.received_ms());
    context_.device.classic.dirty = true;
    ++context_.effects.tally.versions;
    if (has_sessions) Publish(result, {seconds, std::nullopt});
    if (result.changed_reported.empty()) return;
    internal::v1::DeviceChange change;
    change.set_kind(internal::v1::DeviceChange::KIND_CHANGE);
    change.set_time_ms(context_.message.received_ms());
    json::Print(result.changed_reported, *change.mutable_reported());
    TellWatchers(context_, std::move(change));
  }

  void Publish(const shadow::UpdateResult& result, const shadow::AnswerContext& answer) {
    const std::string& device = context_.device.id;
    if (result.has_delta) {
      PublishToDevice(context_, ShadowTopic(device, "", "update/delta"),
                      shadow::UpdateDelta(document_, answer));
    }
    PublishToDevice(context_, ShadowTopic(device, "", "update/documents"),
                    shadow::UpdateDocuments(document_, result.previous, answer));
  }

  const ApplyContext& context_;
  shadow::Document& document_;
  model::Migration reported_;
  model::Migration desired_;
};

}  // namespace

const model::Model* ModelOf(const ApplyContext& context) {
  const Product* product = ProductOf(context);
  return product == nullptr
             ? nullptr
             : product->versions().Find(product->versions().Running(context.device.model_version));
}

void SettleModel(const ApplyContext& context) {
  const Product* product = ProductOf(context);
  if (product == nullptr) return;
  DeviceState& device = context.device;
  const int64_t running = product->versions().Running(device.model_version);
  if (device.shadow_model == running) return;
  const model::Model* now = product->versions().Find(running);
  if (now == nullptr) return;  // values stay until there is a model again
  const int64_t before = std::exchange(device.shadow_model, running);
  device.dirty_model = true;
  context.effects.Changed(device);
  if (!device.classic.document.exists()) return;
  ShadowMigration migration(context, product->versions().Find(before), *now);
  ++context.effects.tally.migrations;
  if (!migration.ChangesNothing()) migration.Run(before, running);
}

bool NameModel(const ApplyContext& context, std::string_view urn) {
  const Product* product = ProductOf(context);
  if (product == nullptr || product->models.empty()) return false;
  const int64_t named = urn.empty() ? 0 : product->versions().OfUrn(urn);
  if (named == 0 && !urn.empty()) return false;
  DeviceState& device = context.device;
  if (device.model_version == named) return true;
  device.model_version = named;
  device.dirty_model = true;
  device.named_model = true;
  context.effects.Changed(device);
  SettleModel(context);
  return true;
}

}  // namespace homeport::registry
