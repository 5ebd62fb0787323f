#include "services/registry/store/state_store.h"

#include <string_view>
#include <unordered_map>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/shadow/document.h"
#include "services/registry/store/tenant_table.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kLoadDevices{"load_devices",
                                 "SELECT d.id, tenant, product, online, presence_ms, epoch,"
                                 " model_version, shadow_model, hub, children "
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

constexpr Statement kUpsertShadows{
    "upsert_shadows",
    "INSERT INTO shadow (device, name, version, last_report_id, deleted, state, metadata) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::bool[], $6::text[],"
    " $7::text[]) "
    "ON CONFLICT (device, name) DO UPDATE SET version = excluded.version,"
    " last_report_id = excluded.last_report_id, deleted = excluded.deleted,"
    " state = excluded.state, metadata = excluded.metadata"};
constexpr Statement kRegisterDevices{
    "register_devices",
    "WITH made AS (INSERT INTO device (id, tenant, product, shadow_model)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[]) ON CONFLICT DO NOTHING"
    " RETURNING tenant) "
    "INSERT INTO tenant_usage AS u (tenant, slot, devices) "
    "SELECT tenant, $5::int8, count(*) FROM made GROUP BY tenant ORDER BY tenant "
    "ON CONFLICT (tenant, slot) DO UPDATE SET devices = u.devices + excluded.devices"};
constexpr Statement kUpdateModels{
    "update_models",
    "UPDATE device d SET model_version = u.model_version, shadow_model = u.shadow_model "
    "FROM unnest($1::text[], $2::int8[], $3::int8[]) AS u (id, model_version, shadow_model) "
    "WHERE d.id = u.id"};
constexpr Statement kUpdatePresence{
    "update_presence",
    "UPDATE device d SET online = u.online, presence_ms = u.presence_ms, epoch = u.epoch "
    "FROM unnest($1::text[], $2::bool[], $3::int8[], $4::int8[])"
    " AS u (id, online, presence_ms, epoch) WHERE d.id = u.id"};
constexpr Statement kUpdateInventories{
    "update_inventories",
    "UPDATE device d SET sdk = u.sdk FROM unnest($1::text[], $2::text[]) AS u (id, sdk) "
    "WHERE d.id = u.id AND d.sdk <> u.sdk"};
constexpr Statement kUpsertSessions{
    "upsert_sessions",
    "INSERT INTO device_session (device, client, pod, session, epoch, since_ms, partition) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[],"
    " $7::int8[]) "
    "ON CONFLICT (device, client) DO UPDATE SET pod = excluded.pod, session = excluded.session,"
    " epoch = excluded.epoch, since_ms = excluded.since_ms"};
constexpr Statement kDeleteSessions{
    "delete_sessions",
    "DELETE FROM device_session s USING unnest($1::text[], $2::text[]) AS u (device, client) "
    "WHERE s.device = u.device AND s.client = u.client"};
constexpr Statement kUpsertWatches{"upsert_watches",
                                   "INSERT INTO watch (device, pod, expires_ms) "
                                   "SELECT * FROM unnest($1::text[], $2::text[], $3::int8[]) "
                                   "ON CONFLICT (device, pod) "
                                   "DO UPDATE SET expires_ms = excluded.expires_ms"};
constexpr Statement kDeleteWatches{
    "delete_watches",
    "DELETE FROM watch w USING unnest($1::text[], $2::text[]) AS u (device, pod) "
    "WHERE w.device = u.device AND w.pod = u.pod"};
constexpr Statement kInsertTelemetry{
    "insert_telemetry",
    "INSERT INTO telemetry (device, received_at, channel, payload) "
    "SELECT device, to_timestamp(received_ms / 1000.0), channel, payload "
    "FROM unnest($1::text[], $2::int8[], $3::text[], $4::bytea[])"
    " AS u (device, received_ms, channel, payload)"};
constexpr Statement kInsertEvents{
    "insert_events",
    "INSERT INTO event (device, received_at, event_at, name, arguments, key) "
    "SELECT device, to_timestamp(received_ms / 1000.0), to_timestamp(event_ms / 1000.0), name,"
    " arguments, key"
    " FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::text[])"
    " AS u (device, received_ms, event_ms, name, arguments, key)"};
// The newest 1,000 of each device: what it repeats, it sent a moment ago.
constexpr Statement kLoadEventKeys{
    "load_event_keys",
    "SELECT u.device || ' ' || e.name || ' ' || e.key FROM unnest($1::text[]) AS u (device) "
    "CROSS JOIN LATERAL (SELECT name, key FROM event WHERE event.device = u.device "
    " AND received_at > to_timestamp($2::int8 / 1000.0) ORDER BY received_at DESC LIMIT 1000) AS e "
    "WHERE e.key <> ''"};

using ById = std::unordered_map<std::string_view, DeviceState*>;

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

void ReadDevices(const Result& rows, const ById& devices, Related& related) {
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

void ReadSessions(const Result& rows, const ById& devices) {
  for (size_t i = 0; i < rows.size(); ++i) {
    DeviceState& device = *devices.at(rows.Text(i, 0));
    device.sessions.push_back({.client = std::string(rows.Text(i, 1)),
                               .pod = std::string(rows.Text(i, 2)),
                               .session = static_cast<uint64_t>(rows.Int8(i, 3)),
                               .epoch = static_cast<uint64_t>(rows.Int8(i, 4)),
                               .since_ms = rows.Int8(i, 5)});
  }
}

void ReadWatches(const Result& rows, const ById& devices) {
  for (size_t i = 0; i < rows.size(); ++i) {
    devices.at(rows.Text(i, 0))
        ->watchers.push_back({std::string(rows.Text(i, 1)), rows.Int8(i, 2)});
  }
}

// The rows of one UNNEST upsert and delete.
class ShadowRows {
 public:
  void Add(const std::string& device, std::string_view name, const ShadowState& shadow) {
    shadow::EncodeState(shadow.document, state_);
    shadow::EncodeMetadata(shadow.document, metadata_);
    devices_.Add(device);
    names_.Add(name);
    versions_.AddInt8(shadow.document.version);
    report_ids_.AddInt8(shadow.last_report_id);
    deleted_.AddBool(shadow.document.deleted);
    states_.Add(state_);
    metadatas_.Add(metadata_);
  }
  absl::Status Write(postgres::Transaction& transaction) && {
    if (devices_.empty()) return absl::OkStatus();
    return transaction
        .Execute(kUpsertShadows, Params()
                                     .Add(std::move(devices_))
                                     .Add(std::move(names_))
                                     .Add(std::move(versions_))
                                     .Add(std::move(report_ids_))
                                     .Add(std::move(deleted_))
                                     .Add(std::move(states_))
                                     .Add(std::move(metadatas_)))
        .status();
  }

 private:
  std::string state_, metadata_;
  Array devices_ = Array::OfText(), names_ = Array::OfText();
  Array versions_ = Array::OfInt8(), report_ids_ = Array::OfInt8(), deleted_ = Array::OfBool();
  Array states_ = Array::OfText(), metadatas_ = Array::OfText();
};

absl::Status WriteShadows(postgres::Transaction& transaction, const Effects& effects) {
  ShadowRows rows;
  for (const DeviceState* device : effects.changed) {
    if (device->classic.dirty) rows.Add(device->id, "", device->classic);
    for (const auto& [name, shadow] : device->named) {
      if (shadow.dirty) rows.Add(device->id, name, shadow);
    }
  }
  return std::move(rows).Write(transaction);
}

absl::Status WriteRegistrations(postgres::Transaction& transaction, const Effects& effects) {
  Array ids = Array::OfText(), tenants = Array::OfText(), products = Array::OfText();
  Array shadow_models = Array::OfInt8();
  int64_t slot = 0;  // of the tenant's usage: workers own different partitions
  for (const DeviceState* device : effects.changed) {
    if (!device->newly_registered) continue;
    slot = device->partition % kUsageSlots;
    ids.Add(device->id);
    tenants.Add(device->tenant);
    products.Add(device->product);
    shadow_models.AddInt8(device->shadow_model);
  }
  if (ids.empty()) return absl::OkStatus();
  return transaction
      .Execute(kRegisterDevices, Params()
                                     .Add(std::move(ids))
                                     .Add(std::move(tenants))
                                     .Add(std::move(products))
                                     .Add(std::move(shadow_models))
                                     .Int8(slot))
      .status();
}

absl::Status WriteModels(postgres::Transaction& transaction, const Effects& effects) {
  Array ids = Array::OfText(), versions = Array::OfInt8(), shadow_models = Array::OfInt8();
  for (const DeviceState* device : effects.changed) {
    if (!device->registered || !device->dirty_model) continue;
    ids.Add(device->id);
    versions.AddInt8(device->model_version);
    shadow_models.AddInt8(device->shadow_model);
  }
  if (ids.empty()) return absl::OkStatus();
  return transaction
      .Execute(kUpdateModels,
               Params().Add(std::move(ids)).Add(std::move(versions)).Add(std::move(shadow_models)))
      .status();
}

absl::Status WritePresence(postgres::Transaction& transaction, const Effects& effects) {
  Array ids = Array::OfText(), online = Array::OfBool();
  Array presence = Array::OfInt8(), epochs = Array::OfInt8();
  for (const DeviceState* device : effects.changed) {
    if (!device->registered || !device->dirty_presence) continue;
    ids.Add(device->id);
    online.AddBool(device->online);
    presence.AddInt8(device->presence_ms);
    epochs.AddInt8(static_cast<int64_t>(device->epoch));
  }
  if (ids.empty()) return absl::OkStatus();
  return transaction
      .Execute(kUpdatePresence, Params()
                                    .Add(std::move(ids))
                                    .Add(std::move(online))
                                    .Add(std::move(presence))
                                    .Add(std::move(epochs)))
      .status();
}

class SessionRows {
 public:
  void Add(const DeviceState& device, const std::string& client) {
    for (const SessionRow& row : device.sessions) {
      if (row.client == client) return Put(device, row);
    }
    gone_devices_.Add(device.id);
    gone_clients_.Add(client);
  }
  absl::Status Write(postgres::Transaction& transaction) && {
    if (!gone_devices_.empty()) {
      HP_RETURN_IF_ERROR(
          transaction
              .Execute(kDeleteSessions,
                       Params().Add(std::move(gone_devices_)).Add(std::move(gone_clients_)))
              .status());
    }
    if (devices_.empty()) return absl::OkStatus();
    return transaction
        .Execute(kUpsertSessions, Params()
                                      .Add(std::move(devices_))
                                      .Add(std::move(clients_))
                                      .Add(std::move(pods_))
                                      .Add(std::move(sessions_))
                                      .Add(std::move(epochs_))
                                      .Add(std::move(since_))
                                      .Add(std::move(partitions_)))
        .status();
  }

 private:
  void Put(const DeviceState& device, const SessionRow& row) {
    devices_.Add(device.id);
    clients_.Add(row.client);
    pods_.Add(row.pod);
    sessions_.AddInt8(static_cast<int64_t>(row.session));
    epochs_.AddInt8(static_cast<int64_t>(row.epoch));
    since_.AddInt8(row.since_ms);
    partitions_.AddInt8(device.partition);
  }
  Array gone_devices_ = Array::OfText(), gone_clients_ = Array::OfText();
  Array devices_ = Array::OfText(), clients_ = Array::OfText(), pods_ = Array::OfText();
  Array sessions_ = Array::OfInt8(), epochs_ = Array::OfInt8(), since_ = Array::OfInt8();
  Array partitions_ = Array::OfInt8();
};

absl::Status WriteSessions(postgres::Transaction& transaction, const Effects& effects) {
  SessionRows rows;
  for (const DeviceState* device : effects.changed) {
    for (const std::string& client : device->dirty_clients) rows.Add(*device, client);
  }
  return std::move(rows).Write(transaction);
}

absl::Status WriteWatches(postgres::Transaction& transaction, const Effects& effects) {
  Array devices = Array::OfText(), pods = Array::OfText(), expires = Array::OfInt8();
  Array gone_devices = Array::OfText(), gone_pods = Array::OfText();
  for (const DeviceState* device : effects.changed) {
    for (const std::string& pod : device->dirty_watchers) {
      const Watcher* found = nullptr;
      for (const Watcher& watcher : device->watchers) {
        if (watcher.pod == pod) found = &watcher;
      }
      (found != nullptr ? devices : gone_devices).Add(device->id);
      (found != nullptr ? pods : gone_pods).Add(pod);
      if (found != nullptr) expires.AddInt8(found->expires_ms);
    }
  }
  if (!gone_devices.empty()) {
    HP_RETURN_IF_ERROR(transaction
                           .Execute(kDeleteWatches,
                                    Params().Add(std::move(gone_devices)).Add(std::move(gone_pods)))
                           .status());
  }
  if (devices.empty()) return absl::OkStatus();
  return transaction
      .Execute(kUpsertWatches,
               Params().Add(std::move(devices)).Add(std::move(pods)).Add(std::move(expires)))
      .status();
}

absl::Status WriteTelemetry(postgres::Transaction& transaction, const Effects& effects) {
  if (effects.telemetry.empty()) return absl::OkStatus();
  Array devices = Array::OfText(), times = Array::OfInt8();
  Array channels = Array::OfText(), payloads = Array::OfBytes();
  for (const TelemetryRow& row : effects.telemetry) {
    devices.Add(row.device);
    times.AddInt8(row.received_ms);
    channels.Add(row.channel);
    payloads.Add(row.payload);
  }
  return transaction
      .Execute(kInsertTelemetry, Params()
                                     .Add(std::move(devices))
                                     .Add(std::move(times))
                                     .Add(std::move(channels))
                                     .Add(std::move(payloads)))
      .status();
}

absl::Status WriteEvents(postgres::Transaction& transaction, const Effects& effects) {
  if (effects.events.empty()) return absl::OkStatus();
  Array devices = Array::OfText(), received = Array::OfInt8(), times = Array::OfInt8();
  Array names = Array::OfText(), arguments = Array::OfText(), keys = Array::OfText();
  for (const EventRow& row : effects.events) {
    keys.Add(row.key);
    devices.Add(row.device);
    received.AddInt8(row.received_ms);
    times.AddInt8(row.event_ms);
    names.Add(row.name);
    arguments.Add(row.arguments);
  }
  return transaction
      .Execute(kInsertEvents, Params()
                                  .Add(std::move(devices))
                                  .Add(std::move(received))
                                  .Add(std::move(times))
                                  .Add(std::move(names))
                                  .Add(std::move(arguments))
                                  .Add(std::move(keys)))
      .status();
}

// Only what changes: a device says the same at every connection.
absl::Status WriteInventories(postgres::Transaction& transaction, const Effects& effects) {
  if (effects.inventories.empty()) return absl::OkStatus();
  Array devices = Array::OfText(), sdks = Array::OfText();
  for (const InventoryRow& row : effects.inventories) {
    devices.Add(row.device);
    sdks.Add(row.sdk);
  }
  return transaction
      .Execute(kUpdateInventories, Params().Add(std::move(devices)).Add(std::move(sdks)))
      .status();
}

}  // namespace

absl::Status LoadDevices(postgres::Connection& connection,
                         const std::vector<DeviceState*>& devices) {
  if (devices.empty()) return absl::OkStatus();
  ById by_id;
  Array ids = Array::OfText(), classic = Array::OfText();
  for (DeviceState* device : devices) {
    by_id[device->id] = device;
    ids.Add(device->id);
    classic.Add("");
  }
  const auto load = [&](const Statement& statement) {
    return connection.Execute(statement, Params().Add(ids));
  };
  HP_ASSIGN_OR_RETURN(const Result rows, load(kLoadDevices));
  Related related;
  ReadDevices(rows, by_id, related);
  HP_RETURN_IF_ERROR(LoadTopology(connection, related.children, related.hubs));
  HP_ASSIGN_OR_RETURN(const Result sessions, load(kLoadSessions));
  ReadSessions(sessions, by_id);
  HP_ASSIGN_OR_RETURN(const Result watches, load(kLoadWatches));
  ReadWatches(watches, by_id);
  HP_ASSIGN_OR_RETURN(const Result shadows,
                      connection.Execute(kLoadShadows, Params().Add(ids).Add(std::move(classic))));
  for (size_t i = 0; i < shadows.size(); ++i) {
    HP_RETURN_IF_ERROR(DecodeShadow(shadows, i, by_id.at(shadows.Text(i, 0))->classic));
  }
  for (DeviceState* device : devices) {
    if (!device->registered) device->online = !device->sessions.empty();
  }
  return absl::OkStatus();
}

absl::Status LoadNamedShadows(postgres::Connection& connection,
                              const std::vector<std::pair<DeviceState*, std::string>>& wanted) {
  if (wanted.empty()) return absl::OkStatus();
  ById by_id;
  Array ids = Array::OfText(), names = Array::OfText();
  for (const auto& [device, name] : wanted) {
    if (!device->named.try_emplace(name).second) continue;
    by_id[device->id] = device;
    ids.Add(device->id);
    names.Add(name);
  }
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kLoadShadows, Params().Add(std::move(ids)).Add(std::move(names))));
  for (size_t i = 0; i < rows.size(); ++i) {
    DeviceState& device = *by_id.at(rows.Text(i, 0));
    HP_RETURN_IF_ERROR(DecodeShadow(rows, i, device.named.find(rows.Text(i, 1))->second));
  }
  return absl::OkStatus();
}

absl::Status LoadEventKeys(postgres::Connection& connection,
                           const std::set<std::string_view>& devices, int64_t now_ms,
                           int64_t back_ms, Effects& effects) {
  Array ids = Array::OfText();
  for (const std::string_view device : devices) ids.Add(device);
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kLoadEventKeys, Params().Add(std::move(ids)).Int8(now_ms - back_ms)));
  for (size_t i = 0; i < rows.size(); ++i) effects.event_keys.emplace(rows.Text(i, 0));
  return absl::OkStatus();
}

absl::Status LoadAllNamedShadows(postgres::Connection& connection,
                                 const std::vector<DeviceState*>& devices, size_t count_max) {
  if (devices.empty()) return absl::OkStatus();
  ById by_id;
  Array ids = Array::OfText();
  for (DeviceState* device : devices) {
    if (by_id.emplace(device->id, device).second) ids.Add(device->id);
  }
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kLoadAllNamedShadows,
                         Params().Add(std::move(ids)).Int8(static_cast<int64_t>(count_max))));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [shadow, fresh] =
        by_id.at(rows.Text(i, 0))->named.try_emplace(std::string(rows.Text(i, 1)));
    if (fresh) HP_RETURN_IF_ERROR(DecodeShadow(rows, i, shadow->second));
  }
  return absl::OkStatus();
}

absl::Status WriteEffects(postgres::Transaction& transaction, const Effects& effects) {
  HP_RETURN_IF_ERROR(WriteRegistrations(transaction, effects));
  HP_RETURN_IF_ERROR(WritePresence(transaction, effects));
  HP_RETURN_IF_ERROR(WriteModels(transaction, effects));
  HP_RETURN_IF_ERROR(WriteInventories(transaction, effects));
  HP_RETURN_IF_ERROR(WriteSessions(transaction, effects));
  HP_RETURN_IF_ERROR(WriteWatches(transaction, effects));
  HP_RETURN_IF_ERROR(WriteTopology(transaction, effects));
  HP_RETURN_IF_ERROR(WriteShadows(transaction, effects));
  HP_RETURN_IF_ERROR(WriteTelemetry(transaction, effects));
  return WriteEvents(transaction, effects);
}

}  // namespace homeport::registry
