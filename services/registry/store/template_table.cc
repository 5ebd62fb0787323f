#include "services/registry/store/template_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_TEMPLATE_COLUMNS \
  "tenant, name, body, product, disabled, (extract(epoch FROM created_at) * 1000)::int8"

constexpr Statement kTenant{"template_tenant",
                            "INSERT INTO tenant (id) VALUES ($1::text) ON CONFLICT DO NOTHING"};
constexpr Statement kCreate{
    "template_create",
    "INSERT INTO provisioning_template (tenant, name, body, product, disabled) "
    "VALUES ($1::text, $2::text, $3::text, $4::text, $5::bool) "
    "ON CONFLICT DO NOTHING RETURNING " HP_TEMPLATE_COLUMNS};
constexpr Statement kFind{"template_find", "SELECT " HP_TEMPLATE_COLUMNS
                                           " FROM provisioning_template "
                                           "WHERE tenant = $1::text AND name = $2::text"};
constexpr Statement kLock{"template_lock", "SELECT " HP_TEMPLATE_COLUMNS
                                           " FROM provisioning_template "
                                           "WHERE tenant = $1::text AND name = $2::text "
                                           "FOR UPDATE"};
constexpr Statement kList{"template_list", "SELECT " HP_TEMPLATE_COLUMNS
                                           " FROM provisioning_template "
                                           "WHERE tenant = $1::text AND name > $2::text "
                                           "ORDER BY name LIMIT $3::int8"};
constexpr Statement kUpdate{
    "template_update",
    "UPDATE provisioning_template SET body = $3::text, product = $4::text, disabled = $5::bool "
    "WHERE tenant = $1::text AND name = $2::text RETURNING " HP_TEMPLATE_COLUMNS};
constexpr Statement kDelete{"template_delete",
                            "DELETE FROM provisioning_template "
                            "WHERE tenant = $1::text AND name = $2::text"};
constexpr Statement kDeleteOf{"template_delete_of",
                              "DELETE FROM provisioning_template "
                              "WHERE tenant = $1::text AND product = $2::text RETURNING name"};

#undef HP_TEMPLATE_COLUMNS

TemplateRow ReadRow(const Result& rows, size_t i) {
  return {.tenant = std::string(rows.Text(i, 0)),
          .name = std::string(rows.Text(i, 1)),
          .body = std::string(rows.Text(i, 2)),
          .product = std::string(rows.Text(i, 3)),
          .disabled = rows.Bool(i, 4),
          .created_ms = rows.Int8(i, 5)};
}

absl::Status NotFound(std::string_view name) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "TEMPLATE_NOT_FOUND",
                         fmt::format("no template {}", name));
}

Params ParamsOf(const TemplateRow& row) {
  Params params;
  params.Text(row.tenant).Text(row.name).Text(row.body).Text(row.product).Bool(row.disabled);
  return params;
}

}  // namespace

absl::StatusOr<TemplateRow> CreateTemplate(postgres::Transaction& transaction, const Actor& actor,
                                           const TemplateRow& row) {
  HP_RETURN_IF_ERROR(transaction.Execute(kTenant, Params().Text(row.tenant)).status());
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kCreate, ParamsOf(row)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "TEMPLATE_EXISTS",
                           fmt::format("template {} exists", row.name));
  }
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, "CreateTemplate", "provisioningTemplates/" + row.name));
  return ReadRow(rows, 0);
}

absl::StatusOr<TemplateRow> FindTemplate(postgres::Connection& connection, std::string_view tenant,
                                         std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFind, Params().Text(tenant).Text(name)));
  if (rows.empty()) return NotFound(name);
  return ReadRow(rows, 0);
}

absl::StatusOr<std::vector<TemplateRow>> ListTemplates(postgres::Connection& connection,
                                                       std::string_view tenant,
                                                       std::string_view after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kList, Params().Text(tenant).Text(after).Int8(limit)));
  std::vector<TemplateRow> templates;
  for (size_t i = 0; i < rows.size(); ++i) templates.push_back(ReadRow(rows, i));
  return templates;
}

absl::StatusOr<TemplateRow> LockTemplate(postgres::Transaction& transaction,
                                         std::string_view tenant, std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kLock, Params().Text(tenant).Text(name)));
  if (rows.empty()) return NotFound(name);
  return ReadRow(rows, 0);
}

absl::StatusOr<TemplateRow> UpdateTemplate(postgres::Transaction& transaction, const Actor& actor,
                                           const TemplateRow& row) {
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kUpdate, ParamsOf(row)));
  if (rows.empty()) return NotFound(row.name);
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, "UpdateTemplate", "provisioningTemplates/" + row.name));
  return ReadRow(rows, 0);
}

absl::Status DeleteTemplate(postgres::Transaction& transaction, const Actor& actor,
                            std::string_view tenant, std::string_view name) {
  HP_ASSIGN_OR_RETURN(const Result deleted,
                      transaction.Execute(kDelete, Params().Text(tenant).Text(name)));
  if (deleted.affected() == 0) return NotFound(name);
  return Audit(transaction, actor, "DeleteTemplate", fmt::format("provisioningTemplates/{}", name));
}

absl::Status DeleteTemplatesOf(postgres::Transaction& transaction, const Actor& actor,
                               std::string_view tenant, std::string_view product) {
  HP_ASSIGN_OR_RETURN(const Result deleted,
                      transaction.Execute(kDeleteOf, Params().Text(tenant).Text(product)));
  for (size_t i = 0; i < deleted.size(); ++i) {
    HP_RETURN_IF_ERROR(Audit(transaction, actor, "DeleteTemplate",
                             fmt::format("provisioningTemplates/{}", deleted.Text(i, 0))));
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
