#include "services/registry/store/effect_writer.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/shadow/document.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/history_writer.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/tenant_table.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

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
// The rows are there, as the generation of their partitions says; an upsert opens those of the
// table's partitions that it meets, an update all of them, which costs more than a small batch. A
// row that it would make is known by its version, which is otherwise never 0.
constexpr Statement kUpdatePresence{
    "update_presence",
    "WITH written AS ("
    "INSERT INTO device (id, tenant, product, online, presence_ms, epoch, version)"
    " SELECT id, '', '', online, presence_ms, epoch, 0"
    " FROM unnest($1::text[], $2::bool[], $3::int8[], $4::int8[])"
    " AS u (id, online, presence_ms, epoch) "
    "ON CONFLICT (id) DO UPDATE SET online = excluded.online, presence_ms = excluded.presence_ms,"
    " epoch = excluded.epoch RETURNING version) "
    "SELECT count(*) FROM written WHERE version = 0"};
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
  std::set<std::string, std::less<>> wanted;
  int64_t slot = 0;  // of the tenant's usage: workers own different partitions
  for (const DeviceState* device : effects.changed) {
    if (!device->newly_registered) continue;
    slot = device->partition % kUsageSlots;
    ids.Add(device->id);
    tenants.Add(device->tenant);
    products.Add(device->product);
    wanted.insert(device->product);
    shadow_models.AddInt8(device->shadow_model);
  }
  if (ids.empty()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const auto kept, KeepProducts(transaction, wanted));
  // The catalog learns of it within a second; then the devices are refused.
  if (kept.size() != wanted.size()) return absl::AbortedError("a product was deleted meanwhile");
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

// They judge commands by the version that the device runs.
absl::Status TellGateways(postgres::Transaction& transaction, const Effects& effects) {
  std::vector<std::string_view> devices;
  for (const DeviceState* device : effects.changed) {
    if (device->registered && device->named_model) devices.push_back(device->id);
  }
  return devices.empty() ? absl::OkStatus() : NoteDevices(transaction, devices);
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
  HP_ASSIGN_OR_RETURN(const Result made,
                      transaction.Execute(kUpdatePresence, Params()
                                                               .Add(std::move(ids))
                                                               .Add(std::move(online))
                                                               .Add(std::move(presence))
                                                               .Add(std::move(epochs))));
  if (made.Int8(0, 0) == 0) return absl::OkStatus();
  return absl::AbortedError(fmt::format("{} devices are no longer there", made.Int8(0, 0)));
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

absl::Status WriteEffects(postgres::Transaction& transaction, const Effects& effects) {
  HP_RETURN_IF_ERROR(WriteRegistrations(transaction, effects));
  HP_RETURN_IF_ERROR(WritePresence(transaction, effects));
  HP_RETURN_IF_ERROR(WriteModels(transaction, effects));
  HP_RETURN_IF_ERROR(WriteInventories(transaction, effects));
  HP_RETURN_IF_ERROR(WriteSessions(transaction, effects));
  HP_RETURN_IF_ERROR(WriteWatches(transaction, effects));
  HP_RETURN_IF_ERROR(WriteTopology(transaction, effects));
  HP_RETURN_IF_ERROR(WriteShadows(transaction, effects));
  HP_RETURN_IF_ERROR(WriteHistory(transaction, effects));
  return TellGateways(transaction, effects);
}

}  // namespace homeport::registry
