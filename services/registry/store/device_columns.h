#pragma once

#include "libs/postgres/result.h"
#include "services/registry/store/device_table.h"

// What a DeviceRow is read from: the table device as d.
#define HP_DEVICE_COLUMNS                                                                     \
  "d.id, d.tenant, d.product, d.disabled, d.online, d.presence_ms,"                           \
  " (date_part('epoch', d.created_at) * 1000)::int8, d.display_name, d.firmware_version,"     \
  " d.labels::text, d.attributes::text, array_to_json(d.device_groups)::text, d.retired,"     \
  " d.version, (date_part('epoch', d.updated_at) * 1000)::int8,"                              \
  " (date_part('epoch', d.deleted_at) * 1000)::int8, (date_part('epoch', d.purge_at) * 1000)" \
  "::int8, d.sdk"

namespace homeport::registry {

inline constexpr int kDeviceColumns = 18;

[[nodiscard]] inline DeviceRow ReadDeviceRow(const postgres::Result& rows, size_t i) {
  return {.id = std::string(rows.Text(i, 0)),
          .tenant = std::string(rows.Text(i, 1)),
          .product = std::string(rows.Text(i, 2)),
          .display_name = std::string(rows.Text(i, 7)),
          .firmware_version = std::string(rows.Text(i, 8)),
          .labels = ReadStringMap(rows.Text(i, 9)),
          .attributes = ReadStringMap(rows.Text(i, 10)),
          .groups = ReadStringList(rows.Text(i, 11)),
          .disabled = rows.Bool(i, 3),
          .retired = rows.Bool(i, 12),
          .online = rows.Bool(i, 4),
          .presence_ms = rows.Int8(i, 5),
          .version = rows.Int8(i, 13),
          .created_ms = rows.Int8(i, 6),
          .updated_ms = rows.Int8(i, 14),
          .deleted_ms = rows.Int8(i, 15),
          .purge_ms = rows.Int8(i, 16),
          .secret_sha256 = {},
          .sdk = std::string(rows.Text(i, 17))};
}

}  // namespace homeport::registry
