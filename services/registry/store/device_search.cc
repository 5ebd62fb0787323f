#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/device_columns.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/filter_params.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

// The list that asks for nothing special, prepared once.
constexpr Statement kList{"device_list", "SELECT " HP_DEVICE_COLUMNS
                                         ", d.id FROM device d "
                                         "WHERE d.tenant = $1::text AND d.deleted_at IS NULL"
                                         " AND d.id > $2::text ORDER BY d.id LIMIT $3::int8"};

constexpr std::string_view kState =
    "(CASE WHEN d.retired THEN 'RETIRED' WHEN d.disabled THEN 'DISABLED'"
    " WHEN d.presence_ms = 0 THEN 'PROVISIONED' ELSE 'ACTIVE' END)";

bool IsPlain(const DeviceSearch& search) {
  return search.filter.kind == filter::Expression::Kind::kAll && search.filter.children.empty() &&
         search.order.size() == 1 && search.order.front().field == &DeviceSchema().front() &&
         !search.order.front().descending && !search.deleted_too;
}

absl::StatusOr<Result> RunPlain(postgres::Connection& connection, const DeviceSearch& search) {
  return connection.Execute(kList, Params()
                                       .Text(search.tenant.str())
                                       .Text(search.behind.empty() ? "" : search.behind.front())
                                       .Int8(search.limit + 1));
}

absl::StatusOr<Result> Run(postgres::Connection& connection, const DeviceSearch& search) {
  Params params;
  params.Text(search.tenant.str()).Int8(search.limit + 1);
  size_t next = 3;
  HP_ASSIGN_OR_RETURN(const filter::Condition wanted,
                      filter::Compile(search.filter, DeviceSchema(), next));
  AddParams(wanted, params);
  next += wanted.params.size();
  std::string where = wanted.where;
  if (!search.behind.empty()) {
    HP_ASSIGN_OR_RETURN(const filter::Condition behind,
                        filter::Behind(search.order, search.behind, next));
    AddParams(behind, params);
    where += fmt::format(" AND ({})", behind.where);
  }
  if (!search.deleted_too) where += " AND d.deleted_at IS NULL";
  return connection.Query(
      fmt::format("SELECT {}, {} FROM device d WHERE d.tenant = $1::text AND {} ORDER BY {} "
                  "LIMIT $2::int8",
                  HP_DEVICE_COLUMNS, filter::KeyColumns(search.order), where,
                  filter::OrderBy(search.order)),
      params);
}

}  // namespace

const filter::Schema& DeviceSchema() {
  using filter::Field;
  using filter::FieldType;
  static const filter::Schema schema = {
      {.name = "name",
       .type = FieldType::kText,
       .sql = "d.id",
       .name_form = Field::NameForm::kLastId,
       .sortable = true},
      {.name = "product",
       .type = FieldType::kText,
       .sql = "d.product",
       .name_form = Field::NameForm::kLastId,
       .sortable = true},
      {.name = "display_name", .type = FieldType::kText, .sql = "d.display_name", .sortable = true},
      {.name = "firmware_version",
       .type = FieldType::kText,
       .sql = "d.firmware_version",
       .sortable = true},
      {.name = "state",
       .type = FieldType::kEnum,
       .sql = kState,
       .values = {"PROVISIONED", "ACTIVE", "DISABLED", "RETIRED"}},
      {.name = "online", .type = FieldType::kBool, .sql = "d.online", .sortable = true},
      {.name = "create_time", .type = FieldType::kTime, .sql = "d.created_at", .sortable = true},
      {.name = "update_time", .type = FieldType::kTime, .sql = "d.updated_at", .sortable = true},
      {.name = "delete_time", .type = FieldType::kTime, .sql = "d.deleted_at"},
      {.name = "presence_time",
       .type = FieldType::kMillis,
       .sql = "d.presence_ms",
       .sortable = true},
      {.name = "labels", .type = FieldType::kMap, .sql = "d.labels"},
      {.name = "attributes", .type = FieldType::kMap, .sql = "d.attributes"},
      {.name = "groups", .type = FieldType::kList, .sql = "d.device_groups"},
  };
  return schema;
}

absl::StatusOr<FoundDevices> SearchDevices(postgres::Connection& connection,
                                           const DeviceSearch& search) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      IsPlain(search) ? RunPlain(connection, search) : Run(connection, search));
  FoundDevices found;
  found.rows.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) found.rows.push_back(ReadDeviceRow(rows, i));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(search.limit));
  for (size_t term = 0; shown > 0 && term < search.order.size(); ++term) {
    found.last_keys.emplace_back(rows.Text(shown - 1, kDeviceColumns + static_cast<int>(term)));
  }
  return found;
}

}  // namespace homeport::registry
