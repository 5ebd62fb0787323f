#include "services/registry/store/topology_store.h"

#include <algorithm>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/state_store.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kLoadChildren{
    "load_children",
    "SELECT c.device, link, silence_ms, seen_ms, hub_epoch, hub_online, hub_pod, hub_session "
    "FROM unnest($1::text[]) AS u (id) JOIN device_child c ON c.device = u.id"};
constexpr Statement kLoadHubs{"load_hubs",
                              "SELECT h.hub, h.child FROM unnest($1::text[]) AS u (id) "
                              "JOIN hub_child h ON h.hub = u.id"};
constexpr Statement kUpdateTopology{
    "update_topology",
    "UPDATE device d SET hub = u.hub, children = u.children "
    "FROM unnest($1::text[], $2::text[], $3::int8[]) AS u (id, hub, children) WHERE d.id = u.id"};
constexpr Statement kUpsertChildren{
    "upsert_children",
    "INSERT INTO device_child (device, link, silence_ms, seen_ms, hub_epoch, hub_online, hub_pod,"
    " hub_session) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::bool[],"
    " $7::text[], $8::int8[]) "
    "ON CONFLICT (device) DO UPDATE SET link = excluded.link, silence_ms = excluded.silence_ms,"
    " seen_ms = excluded.seen_ms, hub_epoch = excluded.hub_epoch,"
    " hub_online = excluded.hub_online, hub_pod = excluded.hub_pod,"
    " hub_session = excluded.hub_session"};
constexpr Statement kDeleteChildren{"delete_children",
                                    "DELETE FROM device_child c USING unnest($1::text[]) AS u (id) "
                                    "WHERE c.device = u.id"};
constexpr Statement kInsertHubChildren{
    "insert_hub_children",
    "INSERT INTO hub_child (hub, child) SELECT * FROM unnest($1::text[], $2::text[]) "
    "ON CONFLICT DO NOTHING"};
constexpr Statement kDeleteHubChildren{
    "delete_hub_children",
    "DELETE FROM hub_child h USING unnest($1::text[], $2::text[]) AS u (hub, child) "
    "WHERE h.hub = u.hub AND h.child = u.child"};
constexpr Statement kUpsertChecks{"upsert_checks",
                                  "INSERT INTO presence_check (device, partition, due_ms) "
                                  "SELECT * FROM unnest($1::text[], $2::int8[], $3::int8[]) "
                                  "ON CONFLICT (device) DO UPDATE SET due_ms = excluded.due_ms"};
constexpr Statement kDeleteChecks{
    "delete_checks",
    "DELETE FROM presence_check c USING unnest($1::text[]) AS u (id) WHERE c.device = u.id"};
constexpr Statement kDueChecks{"due_checks",
                               "SELECT device, partition FROM presence_check "
                               "WHERE partition = ANY ($1::int8[]) AND due_ms <= $2::int8 "
                               "LIMIT $3::int8"};
constexpr Statement kListChildren{"list_children",
                                  "SELECT child FROM hub_child WHERE hub = $1::text "
                                  "AND child > $2::text ORDER BY child LIMIT $3::int8"};
constexpr Statement kFindPresence{
    "find_presence",
    "SELECT d.tenant, d.product, d.online, d.presence_ms, d.epoch, d.hub, coalesce(c.link, ''),"
    " coalesce(c.silence_ms, 0), coalesce(c.seen_ms, 0), d.model_version,"
    " coalesce((SELECT caught_up_ms FROM stream_offset WHERE partition = $2::int8), 0) "
    "FROM device d LEFT JOIN device_child c ON c.device = d.id AND c.device = $1::text "
    "WHERE d.id = $1::text"};

absl::Status LoadChildren(postgres::Transaction& transaction,
                          const std::vector<DeviceState*>& devices) {
  if (devices.empty()) return absl::OkStatus();
  StatesById by_id;
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kLoadChildren, Params().Add(IdsOf(devices, by_id))));
  for (size_t i = 0; i < rows.size(); ++i) {
    ChildState& child = *by_id.at(rows.Text(i, 0))->child;
    child.link = rows.Text(i, 1);
    child.silence_ms = rows.Int8(i, 2);
    child.seen_stored_ms = rows.Int8(i, 3);
    // It may have been heard since, but not later than this.
    child.seen_ms = child.seen_stored_ms == 0 ? 0 : child.seen_stored_ms + SeenGrainMs(child);
    child.hub_epoch = static_cast<uint64_t>(rows.Int8(i, 4));
    child.hub_online = rows.Bool(i, 5);
    child.hub_pod = rows.Text(i, 6);
    child.hub_session = static_cast<uint64_t>(rows.Int8(i, 7));
  }
  return absl::OkStatus();
}

absl::Status LoadHubs(postgres::Transaction& transaction,
                      const std::vector<DeviceState*>& devices) {
  if (devices.empty()) return absl::OkStatus();
  StatesById by_id;
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kLoadHubs, Params().Add(IdsOf(devices, by_id))));
  for (size_t i = 0; i < rows.size(); ++i) {
    by_id.at(rows.Text(i, 0))->hub->children.emplace(rows.Text(i, 1));
  }
  return absl::OkStatus();
}

absl::Status WriteDevices(postgres::Transaction& transaction, const Effects& effects) {
  Array ids = Array::OfText(), hubs = Array::OfText(), children = Array::OfInt8();
  for (const DeviceState* device : effects.changed) {
    if (!device->dirty_topology) continue;
    ids.Add(device->id);
    hubs.Add(device->child == nullptr ? "" : std::string_view(device->child->hub));
    children.AddInt8(device->hub == nullptr ? 0
                                            : static_cast<int64_t>(device->hub->children.size()));
  }
  if (ids.empty()) return absl::OkStatus();
  return transaction
      .Execute(kUpdateTopology,
               Params().Add(std::move(ids)).Add(std::move(hubs)).Add(std::move(children)))
      .status();
}

class ChildRows {
 public:
  void Add(const DeviceState& device) {
    if (device.child == nullptr) return gone_.Add(device.id);
    const ChildState& child = *device.child;
    devices_.Add(device.id);
    links_.Add(child.link);
    silences_.AddInt8(child.silence_ms);
    seen_.AddInt8(child.seen_ms);
    epochs_.AddInt8(static_cast<int64_t>(child.hub_epoch));
    online_.AddBool(child.hub_online);
    pods_.Add(child.hub_pod);
    sessions_.AddInt8(static_cast<int64_t>(child.hub_session));
  }
  absl::Status Write(postgres::Transaction& transaction) && {
    if (!gone_.empty()) {
      HP_RETURN_IF_ERROR(
          transaction.Execute(kDeleteChildren, Params().Add(std::move(gone_))).status());
    }
    if (devices_.empty()) return absl::OkStatus();
    return transaction
        .Execute(kUpsertChildren, Params()
                                      .Add(std::move(devices_))
                                      .Add(std::move(links_))
                                      .Add(std::move(silences_))
                                      .Add(std::move(seen_))
                                      .Add(std::move(epochs_))
                                      .Add(std::move(online_))
                                      .Add(std::move(pods_))
                                      .Add(std::move(sessions_)))
        .status();
  }

 private:
  Array gone_ = Array::OfText(), devices_ = Array::OfText(), links_ = Array::OfText();
  Array silences_ = Array::OfInt8(), seen_ = Array::OfInt8(), epochs_ = Array::OfInt8();
  Array online_ = Array::OfBool(), pods_ = Array::OfText(), sessions_ = Array::OfInt8();
};

absl::Status WriteChildren(postgres::Transaction& transaction, const Effects& effects) {
  ChildRows rows;
  for (const DeviceState* device : effects.changed) {
    if (device->dirty_child) rows.Add(*device);
  }
  return std::move(rows).Write(transaction);
}

absl::Status WriteHubs(postgres::Transaction& transaction, const Effects& effects) {
  Array hubs = Array::OfText(), children = Array::OfText();
  Array gone_hubs = Array::OfText(), gone = Array::OfText();
  for (const DeviceState* device : effects.changed) {
    if (device->hub == nullptr) continue;
    for (const std::string& child : device->hub->dirty) {
      const bool there = device->hub->children.contains(child);
      (there ? hubs : gone_hubs).Add(device->id);
      (there ? children : gone).Add(child);
    }
  }
  if (!gone.empty()) {
    HP_RETURN_IF_ERROR(
        transaction
            .Execute(kDeleteHubChildren, Params().Add(std::move(gone_hubs)).Add(std::move(gone)))
            .status());
  }
  if (hubs.empty()) return absl::OkStatus();
  return transaction
      .Execute(kInsertHubChildren, Params().Add(std::move(hubs)).Add(std::move(children)))
      .status();
}

absl::Status WriteChecks(postgres::Transaction& transaction, const Effects& effects) {
  Array done = Array::OfText(), ids = Array::OfText();
  Array partitions = Array::OfInt8(), due = Array::OfInt8();
  for (const DeviceState* device : effects.changed) {
    if (!device->dirty_check) continue;
    if (device->check_ms == 0) {
      done.Add(device->id);
      continue;
    }
    ids.Add(device->id);
    partitions.AddInt8(device->partition);
    due.AddInt8(device->check_ms);
  }
  if (!done.empty()) {
    HP_RETURN_IF_ERROR(transaction.Execute(kDeleteChecks, Params().Add(std::move(done))).status());
  }
  if (ids.empty()) return absl::OkStatus();
  return transaction
      .Execute(kUpsertChecks,
               Params().Add(std::move(ids)).Add(std::move(partitions)).Add(std::move(due)))
      .status();
}

}  // namespace

absl::Status LoadTopology(postgres::Transaction& transaction,
                          const std::vector<DeviceState*>& children,
                          const std::vector<DeviceState*>& hubs) {
  HP_RETURN_IF_ERROR(LoadChildren(transaction, children));
  return LoadHubs(transaction, hubs);
}

absl::Status WriteTopology(postgres::Transaction& transaction, const Effects& effects) {
  HP_RETURN_IF_ERROR(WriteDevices(transaction, effects));
  HP_RETURN_IF_ERROR(WriteChildren(transaction, effects));
  HP_RETURN_IF_ERROR(WriteHubs(transaction, effects));
  return WriteChecks(transaction, effects);
}

absl::StatusOr<std::vector<DueCheck>> FindDueChecks(postgres::Connection& connection,
                                                    const std::vector<PartitionKey>& partitions,
                                                    int64_t now_ms, size_t limit) {
  Array keys = Array::OfInt8();
  for (const PartitionKey& key : partitions) keys.AddInt8(key.partition);
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(
          kDueChecks,
          Params().Add(std::move(keys)).Int8(now_ms).Int8(static_cast<int64_t>(limit))));
  std::vector<DueCheck> due;
  for (size_t i = 0; i < rows.size(); ++i) {
    due.push_back({std::string(rows.Text(i, 0)), static_cast<uint32_t>(rows.Int8(i, 1))});
  }
  return due;
}

absl::StatusOr<std::vector<std::string>> ListChildren(postgres::Connection& connection,
                                                      const DeviceId& hub, const std::string& after,
                                                      int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kListChildren, Params().Text(hub.str()).Text(after).Int8(limit)));
  std::vector<std::string> children;
  for (size_t i = 0; i < rows.size(); ++i) children.emplace_back(rows.Text(i, 0));
  return children;
}

absl::StatusOr<StoredPresence> FindPresence(postgres::Connection& connection,
                                            const DeviceId& device, uint32_t partition) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kFindPresence, Params().Text(device.str()).Int8(partition)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND",
                           fmt::format("no device {}", device.str()));
  }
  return StoredPresence{.tenant = std::string(rows.Text(0, 0)),
                        .product = std::string(rows.Text(0, 1)),
                        .online = rows.Bool(0, 2),
                        .presence_ms = rows.Int8(0, 3),
                        .epoch = static_cast<uint64_t>(rows.Int8(0, 4)),
                        .hub = std::string(rows.Text(0, 5)),
                        .link = std::string(rows.Text(0, 6)),
                        .silence_ms = rows.Int8(0, 7),
                        .seen_ms = rows.Int8(0, 8),
                        .model_version = rows.Int8(0, 9),
                        .caught_up_ms = rows.Int8(0, 10)};
}

}  // namespace homeport::registry
