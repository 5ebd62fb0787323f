#include "services/registry/store/audit_table.h"

#include <limits>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/filter_params.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kAudit{"audit",
                           "INSERT INTO audit (tenant, actor, action, resource, before, after) "
                           "VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text)"};

}  // namespace

absl::Status Audit(postgres::Transaction& transaction, const Actor& actor, std::string_view action,
                   std::string_view resource, const AuditChange& change) {
  return transaction
      .Execute(kAudit, Params()
                           .Text(actor.tenant)
                           .Text(actor.subject)
                           .Text(action)
                           .Text(resource)
                           .Text(change.before)
                           .Text(change.after))
      .status();
}

const filter::Schema& AuditSchema() {
  using filter::Field;
  using filter::FieldType;
  static const filter::Schema schema = {
      {.name = "resource",
       .type = FieldType::kText,
       .sql = "a.resource",
       .name_form = Field::NameForm::kUnderTenant},
      {.name = "actor", .type = FieldType::kText, .sql = "a.actor"},
      {.name = "action", .type = FieldType::kText, .sql = "a.action"},
      {.name = "create_time", .type = FieldType::kTime, .sql = "a.at"},
  };
  return schema;
}

absl::StatusOr<std::vector<AuditRow>> ListAudit(postgres::Connection& connection,
                                                const TenantId& tenant,
                                                const filter::Condition& condition,
                                                int64_t before_id, int64_t limit) {
  const std::string sql = fmt::format(
      "SELECT a.id, (extract(epoch FROM a.at) * 1000)::int8, a.actor, a.action, a.resource,"
      " a.before, a.after FROM audit a "
      "WHERE a.tenant = $1::text AND a.id < $2::int8 AND {} ORDER BY a.id DESC LIMIT $3::int8",
      condition.where);
  Params params;
  params.Text(tenant.str())
      .Int8(before_id == 0 ? std::numeric_limits<int64_t>::max() : before_id)
      .Int8(limit);
  AddParams(condition, params);
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Query(sql, params));
  std::vector<AuditRow> entries;
  for (size_t i = 0; i < rows.size(); ++i) {
    entries.push_back({.id = rows.Int8(i, 0),
                       .at_ms = rows.Int8(i, 1),
                       .actor = std::string(rows.Text(i, 2)),
                       .action = std::string(rows.Text(i, 3)),
                       .resource = std::string(rows.Text(i, 4)),
                       .change = {std::string(rows.Text(i, 5)), std::string(rows.Text(i, 6))}});
  }
  return entries;
}

}  // namespace homeport::registry
