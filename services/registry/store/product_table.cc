#include "services/registry/store/product_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_PRODUCT_COLUMNS                                                   \
  "id, tenant, display_name, model, fleet_key, allow_unregistered, version," \
  " (extract(epoch FROM created_at) * 1000)::int8,"                          \
  " (extract(epoch FROM updated_at) * 1000)::int8, shadow_skip_unchanged"

constexpr Statement kAudit{"audit",
                           "INSERT INTO audit (tenant, actor, action, resource) "
                           "VALUES ($1::text, $2::text, $3::text, $4::text)"};
constexpr Statement kTenant{"tenant_ensure",
                            "INSERT INTO tenant (id) VALUES ($1::text) ON CONFLICT DO NOTHING"};
constexpr Statement kCreate{
    "product_create",
    "INSERT INTO product (id, tenant, display_name, model, fleet_key, allow_unregistered,"
    " shadow_skip_unchanged) "
    "VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea, $6::bool, $7::bool) "
    "ON CONFLICT DO NOTHING RETURNING " HP_PRODUCT_COLUMNS};
constexpr Statement kFind{"product_find",
                          "SELECT " HP_PRODUCT_COLUMNS " FROM product WHERE id = $1::text"};
constexpr Statement kList{
    "product_list",
    "SELECT id, tenant, display_name, '', ''::bytea, allow_unregistered, version,"
    " (extract(epoch FROM created_at) * 1000)::int8,"
    " (extract(epoch FROM updated_at) * 1000)::int8, shadow_skip_unchanged "
    "FROM product WHERE tenant = $1::text AND id > $2::text ORDER BY id LIMIT $3::int8"};
constexpr Statement kUpdate{
    "product_update",
    "UPDATE product SET display_name = $3::text, model = $4::text, allow_unregistered = $5::bool,"
    " shadow_skip_unchanged = $7::bool, version = version + 1, updated_at = now() "
    "WHERE id = $1::text AND tenant = $2::text AND ($6::int8 = 0 OR version = $6::int8) "
    "RETURNING " HP_PRODUCT_COLUMNS};

#undef HP_PRODUCT_COLUMNS

ProductRow ReadRow(const Result& rows, size_t i) {
  return {.id = std::string(rows.Text(i, 0)),
          .tenant = std::string(rows.Text(i, 1)),
          .display_name = std::string(rows.Text(i, 2)),
          .model = std::string(rows.Text(i, 3)),
          .fleet_key = rows.Bytes(i, 4),
          .allow_unregistered = rows.Bool(i, 5),
          .skip_unchanged = rows.Bool(i, 9),
          .version = rows.Int8(i, 6),
          .created_ms = rows.Int8(i, 7),
          .updated_ms = rows.Int8(i, 8)};
}

absl::Status NotFound(std::string_view product) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "PRODUCT_NOT_FOUND",
                         fmt::format("no product {}", product));
}

}  // namespace

absl::Status Audit(postgres::Transaction& transaction, const Actor& actor, std::string_view action,
                   std::string_view resource) {
  return transaction
      .Execute(kAudit, Params().Text(actor.tenant).Text(actor.subject).Text(action).Text(resource))
      .status();
}

absl::StatusOr<ProductRow> CreateProduct(postgres::Connection& connection, const Actor& actor,
                                         const ProductRow& row) {
  postgres::Transaction transaction(connection);
  HP_RETURN_IF_ERROR(transaction.Execute(kTenant, Params().Text(row.tenant)).status());
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kCreate, Params()
                                                       .Text(row.id)
                                                       .Text(row.tenant)
                                                       .Text(row.display_name)
                                                       .Text(row.model)
                                                       .Bytes(row.fleet_key)
                                                       .Bool(row.allow_unregistered)
                                                       .Bool(row.skip_unchanged)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "PRODUCT_EXISTS",
                           fmt::format("product {} exists", row.id));
  }
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateProduct", row.id));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ReadRow(rows, 0);
}

absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection, const ProductId& id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, Params().Text(id.str())));
  if (rows.empty()) return NotFound(id.str());
  return ReadRow(rows, 0);
}

absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection, const TenantId& tenant,
                                       const ProductId& id) {
  HP_ASSIGN_OR_RETURN(ProductRow row, FindProduct(connection, id));
  if (row.tenant != tenant.str()) return NotFound(id.str());
  return row;
}

absl::StatusOr<std::vector<ProductRow>> ListProducts(postgres::Connection& connection,
                                                     const TenantId& tenant,
                                                     const std::string& after, int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kList, Params().Text(tenant.str()).Text(after).Int8(limit)));
  std::vector<ProductRow> products;
  for (size_t i = 0; i < rows.size(); ++i) products.push_back(ReadRow(rows, i));
  return products;
}

absl::StatusOr<ProductRow> UpdateProduct(postgres::Connection& connection, const Actor& actor,
                                         const ProductRow& row) {
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kUpdate, Params()
                                                       .Text(row.id)
                                                       .Text(row.tenant)
                                                       .Text(row.display_name)
                                                       .Text(row.model)
                                                       .Bool(row.allow_unregistered)
                                                       .Int8(row.version)
                                                       .Bool(row.skip_unchanged)));
  if (rows.empty()) {
    HP_ASSIGN_OR_RETURN(const Result known, transaction.Execute(kFind, Params().Text(row.id)));
    if (known.empty() || known.Text(0, 1) != row.tenant) return NotFound(row.id);
    return ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("the product is at etag {}", known.Int8(0, 6)));
  }
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "UpdateProduct", row.id));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ReadRow(rows, 0);
}

}  // namespace homeport::registry
