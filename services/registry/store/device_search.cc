#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/device_columns.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/filter_params.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

// Several lists that ask for nothing special: the partitions of `device` are made ready once.
constexpr Statement kPages{
    "device_pages",
    "SELECT " HP_DEVICE_COLUMNS
    ", u.n FROM unnest($1::text[], $2::text[], $3::int8[]) WITH ORDINALITY"
    " AS u (tenant, behind, rows_max, n) "
    "CROSS JOIN LATERAL (SELECT * FROM device WHERE tenant = u.tenant AND deleted_at IS NULL"
    " AND id > u.behind ORDER BY id LIMIT u.rows_max) AS d"};

constexpr std::string_view kState =
    "(CASE WHEN d.retired THEN 'RETIRED' WHEN d.disabled THEN 'DISABLED'"
    " WHEN d.presence_ms = 0 THEN 'PROVISIONED' ELSE 'ACTIVE' END)";

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
    next += behind.params.size();
    where += fmt::format(" AND ({})", behind.where);
  }
  if (!search.last_id.empty()) {
    params.Text(search.last_id);
    where += fmt::format(" AND d.id <= ${}::text", next);
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

bool IsPlain(const DeviceSearch& search) {
  return search.filter.kind == filter::Expression::Kind::kAll && search.filter.children.empty() &&
         search.order.size() == 1 && search.order.front().field == &DeviceSchema().front() &&
         !search.order.front().descending && !search.deleted_too && search.last_id.empty();
}

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
  HP_ASSIGN_OR_RETURN(const Result rows, Run(connection, search));
  FoundDevices found;
  found.rows.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) found.rows.push_back(ReadDeviceRow(rows, i));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(search.limit));
  for (size_t term = 0; shown > 0 && term < search.order.size(); ++term) {
    found.last_keys.emplace_back(rows.Text(shown - 1, kDeviceColumns + static_cast<int>(term)));
  }
  return found;
}

absl::StatusOr<std::vector<absl::StatusOr<FoundDevices>>> FindDevicePages(
    postgres::Connection& connection, const std::vector<DeviceSearch>& searches) {
  Array tenants = Array::OfText(), behind = Array::OfText(), rows_max = Array::OfInt8();
  for (const DeviceSearch& search : searches) {
    tenants.Add(search.tenant.str());
    behind.Add(search.behind.empty() ? "" : search.behind.front());
    rows_max.AddInt8(search.limit + 1);
  }
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(
          kPages,
          Params().Add(std::move(tenants)).Add(std::move(behind)).Add(std::move(rows_max))));
  std::vector<FoundDevices> pages(searches.size());
  for (FoundDevices& page : pages) page.rows.reserve(rows.size() / pages.size() + 1);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto page = static_cast<size_t>(rows.Int8(i, kDeviceColumns) - 1);
    pages[page].rows.push_back(ReadDeviceRow(rows, i));
  }
  std::vector<absl::StatusOr<FoundDevices>> found;
  for (size_t page = 0; page < pages.size(); ++page) {
    std::vector<DeviceRow>& of_page = pages[page].rows;
    const auto by_id = [](const DeviceRow& a, const DeviceRow& b) { return a.id < b.id; };
    // As they come; SQL does not promise it.
    if (!std::is_sorted(of_page.begin(), of_page.end(), by_id)) {
      std::sort(of_page.begin(), of_page.end(), by_id);
    }
    const size_t shown = std::min(of_page.size(), static_cast<size_t>(searches[page].limit));
    if (shown > 0) pages[page].last_keys.push_back(of_page[shown - 1].id);
    found.emplace_back(std::move(pages[page]));
  }
  return found;
}

}  // namespace homeport::registry
