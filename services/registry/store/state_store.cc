#include "services/registry/store/state_store.h"

#include <string_view>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/shadow/document.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kLoadDevices{"load_devices",
                                 "SELECT d.id, tenant, product, online, presence_ms, epoch,"
                                 " model_version, shadow_model, hub, children,"
                                 " disabled OR retired OR deleted_at IS NOT NULL "
                                 "FROM unnest($1::text[]) AS u (id) JOIN device d ON d.id = u.id"};
constexpr Statement kLoadSessions{
    "load_sessions",
    "SELECT s.device, client, pod, session, epoch, since_ms "
    "FROM unnest($1::text[]) AS u (id) JOIN device_session s ON s.device = u.id"};
constexpr Statement kLoadWatches{"load_watches",
                                 "SELECT w.device, pod, expires_ms "
                                 "FROM unnest($1::text[]) AS u (id) JOIN watch w "
                                 "ON w.device = u.id"};
constexpr Statement kLoadShadows{
    "load_shadows",
    "SELECT s.device, s.name, version, deleted, last_report_id, state, metadata "
    "FROM unnest($1::text[], $2::text[]) AS u (id, name) "
    "JOIN shadow s ON s.device = u.id AND s.name = u.name"};

constexpr Statement kLoadAllNamedShadows{
    "load_all_named_shadows",
    "SELECT s.device, s.name, version, deleted, last_report_id, state, metadata "
    "FROM unnest($1::text[]) AS u (id) CROSS JOIN LATERAL (SELECT * FROM shadow "
    "WHERE device = u.id AND name <> '' AND NOT deleted ORDER BY name LIMIT $2::int8) AS s"};

// The newest 1,000 of each device: what it repeats, it sent a moment ago.
constexpr Statement kLoadEventKeys{
    "load_event_keys",
    "SELECT u.device || ' ' || e.name || ' ' || e.key FROM unnest($1::text[]) AS u (device) "
    "CROSS JOIN LATERAL (SELECT name, key FROM event WHERE event.device = u.device "
    " AND received_at > to_timestamp($2::int8 / 1000.0) ORDER BY received_at DESC LIMIT 1000) AS e "
    "WHERE e.key <> ''"};

absl::Status DecodeShadow(const Result& rows, size_t row, ShadowState& shadow) {
  HP_ASSIGN_OR_RETURN(shadow.document, shadow::DecodeDocument({.state = rows.Text(row, 5),
                                                               .metadata = rows.Text(row, 6),
                                                               .version = rows.Int8(row, 2),
                                                               .deleted = rows.Bool(row, 3)}));
  shadow.last_report_id = rows.Int8(row, 4);
  shadow.stored = true;
  return absl::OkStatus();
}

struct Related {
  std::vector<DeviceState*> children;
  std::vector<DeviceState*> hubs;
};

void ReadDevices(const Result& rows, const StatesById& devices, Related& related) {
  for (size_t i = 0; i < rows.size(); ++i) {
    DeviceState& device = *devices.at(rows.Text(i, 0));
    device.registered = true;
    device.tenant = rows.Text(i, 1);
    device.product = rows.Text(i, 2);
    device.online = rows.Bool(i, 3);
    device.presence_ms = rows.Int8(i, 4);
    device.epoch = static_cast<uint64_t>(rows.Int8(i, 5));
    device.model_version = rows.Int8(i, 6);
    device.shadow_model = rows.Int8(i, 7);
    device.blocked = rows.Bool(i, 10);
    if (const std::string_view hub = rows.Text(i, 8); !hub.empty()) {
      device.child = std::make_unique<ChildState>();
      device.child->hub = hub;
      related.children.push_back(&device);
    }
    if (rows.Int8(i, 9) > 0) {
      device.hub = std::make_unique<HubState>();
      related.hubs.push_back(&device);
    }
  }
}

void ReadSessions(const Result& rows, const StatesById& devices) {
  for (size_t i = 0; i < rows.size(); ++i) {
    DeviceState& device = *devices.at(rows.Text(i, 0));
    device.sessions.push_back({.client = std::string(rows.Text(i, 1)),
                               .pod = std::string(rows.Text(i, 2)),
                               .session = static_cast<uint64_t>(rows.Int8(i, 3)),
                               .epoch = static_cast<uint64_t>(rows.Int8(i, 4)),
                               .since_ms = rows.Int8(i, 5),
                               .may_be_stored = true});
  }
}

void ReadWatches(const Result& rows, const StatesById& devices) {
  for (size_t i = 0; i < rows.size(); ++i) {
    devices.at(rows.Text(i, 0))
        ->watchers.push_back({std::string(rows.Text(i, 1)), rows.Int8(i, 2)});
  }
}

}  // namespace

Array IdsOf(const std::vector<DeviceState*>& devices, StatesById& by_id) {
  Array ids = Array::OfText();
  for (DeviceState* device : devices) {
    by_id[device->id] = device;
    ids.Add(device->id);
  }
  return ids;
}

absl::Status LoadDevices(postgres::Transaction& transaction,
                         const std::vector<DeviceState*>& devices) {
  if (devices.empty()) return absl::OkStatus();
  StatesById by_id;
  const Array ids = IdsOf(devices, by_id);
  Array classic = Array::OfText();
  for (size_t i = 0; i < devices.size(); ++i) classic.Add("");
  const auto load = [&](const Statement& statement) {
    return transaction.Execute(statement, Params().Add(ids));
  };
  HP_ASSIGN_OR_RETURN(const Result rows, load(kLoadDevices));
  Related related;
  ReadDevices(rows, by_id, related);
  HP_RETURN_IF_ERROR(LoadTopology(transaction, related.children, related.hubs));
  HP_ASSIGN_OR_RETURN(const Result sessions, load(kLoadSessions));
  ReadSessions(sessions, by_id);
  HP_ASSIGN_OR_RETURN(const Result watches, load(kLoadWatches));
  ReadWatches(watches, by_id);
  HP_ASSIGN_OR_RETURN(const Result shadows,
                      transaction.Execute(kLoadShadows, Params().Add(ids).Add(std::move(classic))));
  for (size_t i = 0; i < shadows.size(); ++i) {
    HP_RETURN_IF_ERROR(DecodeShadow(shadows, i, by_id.at(shadows.Text(i, 0))->classic));
  }
  for (DeviceState* device : devices) {
    if (!device->registered) device->online = !device->sessions.empty();
  }
  return absl::OkStatus();
}

absl::Status LoadNamedShadows(postgres::Transaction& transaction,
                              const std::vector<std::pair<DeviceState*, std::string>>& wanted) {
  if (wanted.empty()) return absl::OkStatus();
  StatesById by_id;
  Array ids = Array::OfText(), names = Array::OfText();
  for (const auto& [device, name] : wanted) {
    if (!device->named.try_emplace(name).second) continue;
    by_id[device->id] = device;
    ids.Add(device->id);
    names.Add(name);
  }
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kLoadShadows, Params().Add(std::move(ids)).Add(std::move(names))));
  for (size_t i = 0; i < rows.size(); ++i) {
    DeviceState& device = *by_id.at(rows.Text(i, 0));
    HP_RETURN_IF_ERROR(DecodeShadow(rows, i, device.named.find(rows.Text(i, 1))->second));
  }
  return absl::OkStatus();
}

absl::Status LoadEventKeys(postgres::Transaction& transaction,
                           const std::set<std::string_view>& devices, int64_t now_ms,
                           int64_t back_ms, Effects& effects) {
  Array ids = Array::OfText();
  for (const std::string_view device : devices) ids.Add(device);
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kLoadEventKeys, Params().Add(std::move(ids)).Int8(now_ms - back_ms)));
  for (size_t i = 0; i < rows.size(); ++i) effects.event_keys.emplace(rows.Text(i, 0));
  return absl::OkStatus();
}

absl::Status LoadAllNamedShadows(postgres::Transaction& transaction,
                                 const std::vector<DeviceState*>& devices, size_t count_max) {
  if (devices.empty()) return absl::OkStatus();
  StatesById by_id;
  Array ids = Array::OfText();
  for (DeviceState* device : devices) {
    if (by_id.emplace(device->id, device).second) ids.Add(device->id);
  }
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kLoadAllNamedShadows,
                          Params().Add(std::move(ids)).Int8(static_cast<int64_t>(count_max))));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [shadow, fresh] =
        by_id.at(rows.Text(i, 0))->named.try_emplace(std::string(rows.Text(i, 1)));
    if (fresh) HP_RETURN_IF_ERROR(DecodeShadow(rows, i, shadow->second));
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
