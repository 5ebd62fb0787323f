#include "services/registry/store/shadow_table.h"

#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kFind{"shadow_find",
                          "SELECT version, deleted, state, metadata FROM shadow "
                          "WHERE device = $1::text AND name = $2::text"};
// Each table is asked for the key itself, so that one partition of each is read for a key.
constexpr Statement kFindWithDevices{
    "shadow_find_with_devices",
    "SELECT coalesce(s.version, 0), coalesce(s.deleted, true), s.state, s.metadata, u.n,"
    " coalesce(d.tenant, ''), coalesce(d.online, false), coalesce(o.caught_up_ms, 0) "
    "FROM unnest($1::text[], $2::text[], $3::int8[]) WITH ORDINALITY AS u (id, name, part, n) "
    "LEFT JOIN device d ON d.id = u.id "
    "LEFT JOIN shadow s ON s.device = u.id AND s.name = u.name "
    "LEFT JOIN stream_offset o ON o.partition = u.part"};
constexpr Statement kListNamed{
    "shadow_list_named",
    "SELECT name, version FROM shadow WHERE device = $1::text AND name > $2::text AND NOT deleted "
    "ORDER BY name LIMIT $3::int8"};

absl::StatusOr<shadow::Document> Decode(const Result& rows, size_t row) {
  return shadow::DecodeDocument({.state = rows.Text(row, 2),
                                 .metadata = rows.Text(row, 3),
                                 .version = rows.Int8(row, 0),
                                 .deleted = rows.Bool(row, 1)});
}

absl::StatusOr<DeviceShadow> DecodeWithDevice(const Result& rows, size_t row) {
  DeviceShadow found;
  found.tenant = rows.Text(row, 5);
  found.online = rows.Bool(row, 6);
  found.caught_up_ms = rows.Int8(row, 7);
  if (rows.Int8(row, 0) == 0) return found;
  HP_ASSIGN_OR_RETURN(found.document, Decode(rows, row));
  return found;
}

}  // namespace

absl::StatusOr<shadow::Document> FindShadow(postgres::Connection& connection,
                                            const DeviceId& device, std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFind, Params().Text(device.str()).Text(name)));
  if (rows.empty()) return shadow::Document();
  return Decode(rows, 0);
}

absl::StatusOr<std::vector<absl::StatusOr<DeviceShadow>>> FindDeviceShadows(
    postgres::Connection& connection, const std::vector<ShadowKey>& keys) {
  Array devices = Array::OfText(), names = Array::OfText(), partitions = Array::OfInt8();
  std::vector<absl::StatusOr<DeviceShadow>> found;
  found.reserve(keys.size());
  for (const ShadowKey& key : keys) {
    devices.Add(key.device.str());
    names.Add(key.name);
    partitions.AddInt8(key.partition);
    found.emplace_back(DeviceShadow());
  }
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(
          kFindWithDevices,
          Params().Add(std::move(devices)).Add(std::move(names)).Add(std::move(partitions))));
  for (size_t i = 0; i < rows.size(); ++i) {
    found[static_cast<size_t>(rows.Int8(i, 4) - 1)] = DecodeWithDevice(rows, i);
  }
  return found;
}

absl::StatusOr<std::vector<NamedShadow>> ListNamedShadows(postgres::Connection& connection,
                                                          const DeviceId& device,
                                                          std::string_view after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kListNamed, Params().Text(device.str()).Text(after).Int8(limit)));
  std::vector<NamedShadow> shadows;
  for (size_t i = 0; i < rows.size(); ++i) {
    shadows.push_back({std::string(rows.Text(i, 0)), rows.Int8(i, 1)});
  }
  return shadows;
}

}  // namespace homeport::registry
