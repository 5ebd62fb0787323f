#include "services/registry/store/product_table.h"

#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/authority_table.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/json_map.h"
#include "services/registry/store/model_table.h"
#include "services/registry/store/template_table.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_PRODUCT_COLUMNS_WITH(model, fleet_key)                                         \
  "id, tenant, display_name, " model ", " fleet_key                                       \
  ", allow_unregistered, version, (extract(epoch FROM created_at) * 1000)::int8,"         \
  " (extract(epoch FROM updated_at) * 1000)::int8, shadow_skip_unchanged, model_version," \
  " topic_policy, is_hub, array_to_json(history_properties)::text, history_days"
#define HP_PRODUCT_COLUMNS                                         \
  HP_PRODUCT_COLUMNS_WITH(                                         \
      "coalesce((SELECT v.model FROM product_version v"            \
      " WHERE v.product = id AND v.version = model_version), '')", \
      "fleet_key")

constexpr Statement kTenant{"tenant_ensure",
                            "INSERT INTO tenant (id) VALUES ($1::text) ON CONFLICT DO NOTHING"};
constexpr Statement kCreate{
    "product_create",
    "INSERT INTO product (id, tenant, display_name, fleet_key, allow_unregistered,"
    " shadow_skip_unchanged, topic_policy, is_hub, history_properties, history_days) "
    "VALUES ($1::text, $2::text, $3::text, $4::bytea, $5::bool, $6::bool, $7::bytea, $8::bool,"
    " $9::text[], $10::int8) "
    "ON CONFLICT DO NOTHING RETURNING " HP_PRODUCT_COLUMNS};
constexpr Statement kFind{"product_find",
                          "SELECT " HP_PRODUCT_COLUMNS " FROM product WHERE id = $1::text"};
constexpr Statement kFindAlone{
    "product_find_alone",
    "SELECT " HP_PRODUCT_COLUMNS_WITH("''", "fleet_key") " FROM product WHERE id = $1::text"};
constexpr Statement kList{
    "product_list",
    "SELECT " HP_PRODUCT_COLUMNS_WITH("''", "''::bytea") " FROM product WHERE tenant = $1::text AND id > $2::text ORDER BY id LIMIT $3::int8"};
constexpr Statement kLock{"product_lock", "SELECT " HP_PRODUCT_COLUMNS
                                          " FROM product WHERE id = $1::text AND tenant = $2::text "
                                          "FOR NO KEY UPDATE"};
constexpr Statement kUpdate{
    "product_update",
    "UPDATE product SET display_name = $2::text, allow_unregistered = $3::bool,"
    " shadow_skip_unchanged = $4::bool, model_version = $5::int8, topic_policy = $6::bytea,"
    " is_hub = $7::bool, history_properties = $8::text[], history_days = $9::int8,"
    " version = version + 1, updated_at = now() WHERE id = $1::text RETURNING " HP_PRODUCT_COLUMNS};
constexpr Statement kSetModel{
    "product_set_model",
    "UPDATE product SET model_version = $2::int8, version = version + 1, updated_at = now() "
    "WHERE id = $1::text"};

// Waits for those who keep it, and makes those wait who would.
constexpr Statement kLockOut{"product_lock_out",
                             "SELECT FROM product WHERE id = $1::text FOR UPDATE"};
constexpr Statement kIsUsed{"product_is_used",
                            "SELECT EXISTS (SELECT FROM device WHERE product = $1::text)"};
constexpr Statement kDelete{"product_delete", "DELETE FROM product WHERE id = $1::text"};
// In the order of ids, in which everybody takes these locks.
constexpr Statement kKeep{
    "product_keep", "SELECT id FROM product WHERE id = ANY ($1::text[]) ORDER BY id FOR KEY SHARE"};

#undef HP_PRODUCT_COLUMNS
#undef HP_PRODUCT_COLUMNS_WITH

ProductRow ReadRow(const Result& rows, size_t i) {
  return {.id = std::string(rows.Text(i, 0)),
          .tenant = std::string(rows.Text(i, 1)),
          .display_name = std::string(rows.Text(i, 2)),
          .model = std::string(rows.Text(i, 3)),
          .model_version = rows.Int8(i, 10),
          .fleet_key = rows.Bytes(i, 4),
          .allow_unregistered = rows.Bool(i, 5),
          .skip_unchanged = rows.Bool(i, 9),
          .is_hub = rows.Bool(i, 12),
          .topic_policy = rows.Bytes(i, 11),
          .history_properties = ReadStringList(rows.Text(i, 13)),
          .history_days = rows.Int8(i, 14),
          .version = rows.Int8(i, 6),
          .created_ms = rows.Int8(i, 7),
          .updated_ms = rows.Int8(i, 8)};
}

postgres::Array ToArray(const std::vector<std::string>& texts) {
  postgres::Array array = postgres::Array::OfText();
  for (const std::string& text : texts) array.Add(text);
  return array;
}

// For gateways, which know the product, or remember that there is none.
enum class Existence : uint8_t { kExists, kDeleted };
absl::Status NoteProduct(postgres::Transaction& transaction, const std::string& product,
                         Existence existence = Existence::kExists) {
  DirectoryChange change;
  change.set_kind(DirectoryChange::KIND_PRODUCT);
  change.set_name(product);
  change.set_revoked(existence == Existence::kDeleted);
  return NoteChange(transaction, change);
}

absl::Status SetModel(postgres::Transaction& transaction, const std::string& product,
                      int64_t model_version) {
  return transaction.Execute(kSetModel, Params().Text(product).Int8(model_version)).status();
}

// The number of the version that holds `model`: the present one, or a new one.
absl::StatusOr<int64_t> ChangeModel(postgres::Transaction& transaction, const ProductRow& present,
                                    const std::string& model, const ModelRules& rules) {
  if (model == present.model) return present.model_version;
  if (rules.gate) HP_RETURN_IF_ERROR(rules.gate(present.model, model));
  if (model.empty()) return 0;
  return KeepModelVersion(transaction, present.id, model, rules.versions_max);
}

}  // namespace

absl::Status ProductNotFound(std::string_view product) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "PRODUCT_NOT_FOUND",
                         fmt::format("no product {}", product));
}

absl::StatusOr<ProductRow> CreateProduct(postgres::Transaction& transaction, const Actor& actor,
                                         const ProductRow& row) {
  HP_RETURN_IF_ERROR(transaction.Execute(kTenant, Params().Text(row.tenant)).status());
  HP_RETURN_IF_ERROR(CheckProductQuota(transaction, row.tenant));
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kCreate, Params()
                                                       .Text(row.id)
                                                       .Text(row.tenant)
                                                       .Text(row.display_name)
                                                       .Bytes(row.fleet_key)
                                                       .Bool(row.allow_unregistered)
                                                       .Bool(row.skip_unchanged)
                                                       .Bytes(row.topic_policy)
                                                       .Bool(row.is_hub)
                                                       .Add(ToArray(row.history_properties))
                                                       .Int8(row.history_days)));
  if (rows.empty()) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "PRODUCT_EXISTS",
                           fmt::format("product {} exists", row.id));
  }
  ProductRow created = ReadRow(rows, 0);
  if (!row.model.empty()) {
    HP_ASSIGN_OR_RETURN(created.model_version, KeepModelVersion(transaction, row.id, row.model, 1));
    HP_RETURN_IF_ERROR(SetModel(transaction, row.id, created.model_version));
    created.model = row.model;
  }
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateProduct", "products/" + row.id));
  HP_RETURN_IF_ERROR(NoteProduct(transaction, row.id));
  return created;
}

absl::StatusOr<ProductRow> FindBy(postgres::Connection& connection, const Statement& statement,
                                  const ProductId& id) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement, Params().Text(id.str())));
  if (rows.empty()) return ProductNotFound(id.str());
  return ReadRow(rows, 0);
}

absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection, const ProductId& id) {
  return FindBy(connection, kFind, id);
}

absl::StatusOr<ProductRow> FindProductAlone(postgres::Connection& connection, const ProductId& id) {
  return FindBy(connection, kFindAlone, id);
}

absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection, const TenantId& tenant,
                                       const ProductId& id) {
  HP_ASSIGN_OR_RETURN(ProductRow row, FindProduct(connection, id));
  if (row.tenant != tenant.str()) return ProductNotFound(id.str());
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

absl::StatusOr<ProductRow> LockProduct(postgres::Transaction& transaction, const TenantId& tenant,
                                       const ProductId& id, int64_t version) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kLock, Params().Text(id.str()).Text(tenant.str())));
  if (rows.empty()) return ProductNotFound(id.str());
  ProductRow row = ReadRow(rows, 0);
  if (version != 0 && version != row.version) {
    return ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("the product is at etag {}", row.version));
  }
  return row;
}

absl::StatusOr<ProductRow> UpdateProduct(postgres::Transaction& transaction, const Actor& actor,
                                         const ProductRow& present, const ProductRow& row,
                                         const ModelRules& rules) {
  HP_ASSIGN_OR_RETURN(const int64_t model_version,
                      ChangeModel(transaction, present, row.model, rules));
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kUpdate, Params()
                                                       .Text(row.id)
                                                       .Text(row.display_name)
                                                       .Bool(row.allow_unregistered)
                                                       .Bool(row.skip_unchanged)
                                                       .Int8(model_version)
                                                       .Bytes(row.topic_policy)
                                                       .Bool(row.is_hub)
                                                       .Add(ToArray(row.history_properties))
                                                       .Int8(row.history_days)));
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "UpdateProduct", "products/" + row.id));
  HP_RETURN_IF_ERROR(NoteProduct(transaction, row.id));
  return ReadRow(rows, 0);
}

absl::Status DeleteProduct(postgres::Transaction& transaction, const Actor& actor,
                           const ProductRow& row) {
  const Params id = Params().Text(row.id);
  HP_RETURN_IF_ERROR(transaction.Execute(kLockOut, id).status());
  HP_ASSIGN_OR_RETURN(const Result used, transaction.Execute(kIsUsed, id));
  if (used.Bool(0, 0)) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "PRODUCT_NOT_EMPTY",
        fmt::format("product {} has devices, or deleted ones that are not purged", row.id));
  }
  HP_RETURN_IF_ERROR(DeleteTemplatesOf(transaction, actor, row.tenant, row.id));
  HP_RETURN_IF_ERROR(transaction.Execute(kDelete, id).status());
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "DeleteProduct", "products/" + row.id));
  HP_RETURN_IF_ERROR(StopRegistering(transaction, actor, row.tenant, row.id));
  return NoteProduct(transaction, row.id, Existence::kDeleted);
}

absl::StatusOr<std::set<std::string, std::less<>>> KeepProducts(
    postgres::Transaction& transaction, const std::set<std::string, std::less<>>& products) {
  postgres::Array wanted = postgres::Array::OfText();
  for (const std::string& product : products) wanted.Add(product);
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kKeep, Params().Add(std::move(wanted))));
  std::set<std::string, std::less<>> kept;
  for (size_t i = 0; i < rows.size(); ++i) kept.emplace(rows.Text(i, 0));
  return kept;
}

absl::StatusOr<int64_t> ImportModel(postgres::Transaction& transaction, const Actor& actor,
                                    const ModelImport& import, const ModelRules& rules) {
  HP_ASSIGN_OR_RETURN(const ProductRow present, LockProduct(transaction, TenantId(import.tenant),
                                                            ProductId(import.product), 0));
  HP_ASSIGN_OR_RETURN(const int64_t version,
                      ChangeModel(transaction, present, import.model, rules));
  // Raises the product's version in any case: that is how the pods learn of the model's.
  HP_RETURN_IF_ERROR(
      SetModel(transaction, import.product, import.keep_current ? present.model_version : version));
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "CreateModelVersion",
                           fmt::format("products/{}/modelVersions/{}", import.product, version)));
  HP_RETURN_IF_ERROR(NoteProduct(transaction, import.product));
  return version;
}

}  // namespace homeport::registry
