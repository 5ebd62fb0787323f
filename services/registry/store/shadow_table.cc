#include "services/registry/store/shadow_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kFind{"shadow_find",
                          "SELECT version, deleted, state, metadata FROM shadow "
                          "WHERE device = $1::text AND name = $2::text"};
// Each table is asked for the key itself, so that one partition of each is read.
constexpr Statement kFindWithDevice{
    "shadow_find_with_device",
    "SELECT coalesce(s.version, 0), coalesce(s.deleted, true), s.state, s.metadata, d.tenant,"
    " d.online FROM device d LEFT JOIN shadow s ON s.device = $1::text AND s.name = $2::text "
    "WHERE d.id = $1::text"};
constexpr Statement kListNamed{
    "shadow_list_named",
    "SELECT name, version FROM shadow WHERE device = $1::text AND name > $2::text AND NOT deleted "
    "ORDER BY name LIMIT $3::int8"};

absl::StatusOr<shadow::Document> Decode(const Result& rows) {
  return shadow::DecodeDocument({.state = rows.Text(0, 2),
                                 .metadata = rows.Text(0, 3),
                                 .version = rows.Int8(0, 0),
                                 .deleted = rows.Bool(0, 1)});
}

}  // namespace

absl::StatusOr<shadow::Document> FindShadow(postgres::Connection& connection,
                                            const DeviceId& device, std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFind, Params().Text(device.str()).Text(name)));
  if (rows.empty()) return shadow::Document();
  return Decode(rows);
}

absl::StatusOr<DeviceShadow> FindDeviceShadow(postgres::Connection& connection,
                                              const DeviceId& device, std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFindWithDevice, Params().Text(device.str()).Text(name)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND",
                           fmt::format("no device {}", device.str()));
  }
  DeviceShadow found;
  found.tenant = rows.Text(0, 4);
  found.online = rows.Bool(0, 5);
  if (rows.Int8(0, 0) != 0) {
    HP_ASSIGN_OR_RETURN(found.document, Decode(rows));
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
