#include "services/registry/store/model_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/parse.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kSame{
    "model_same",
    "SELECT version FROM product_version WHERE product = $1::text AND model = $2::text"};
constexpr Statement kAdd{
    "model_add",
    "INSERT INTO product_version (product, version, urn, model) "
    "SELECT $1::text, coalesce(max(version), 0) + 1, $2::text, $3::text "
    "FROM product_version WHERE product = $1::text HAVING count(*) < $4::int8 RETURNING version"};

constexpr Statement kFind{
    "model_find",
    "SELECT v.product, p.tenant, v.version, v.urn, v.model,"
    " (extract(epoch FROM v.created_at) * 1000)::int8 "
    "FROM product_version v JOIN product p ON p.id = v.product "
    "WHERE p.tenant = $1::text AND v.product = $2::text AND v.version = $3::int8"};

constexpr Statement kPreceding{
    "model_preceding",
    "SELECT product, '', version, urn, model, (extract(epoch FROM created_at) * 1000)::int8 "
    "FROM product_version WHERE product = $1::text AND version < $2::int8 "
    "ORDER BY version DESC LIMIT 1"};

constexpr Statement kOfProduct{
    "model_of_product",
    "SELECT product, '', version, urn, model, (extract(epoch FROM created_at) * 1000)::int8, count "
    "FROM (SELECT *, row_number() OVER up AS n, sum(octet_length(model)) OVER up AS bytes,"
    "  count(*) OVER () FROM product_version WHERE product = $1::text AND version > $2::int8"
    "  WINDOW up AS (ORDER BY version)) AS v "
    "WHERE n = 1 OR bytes <= $3::int8 ORDER BY version"};

constexpr Statement kRunning{
    "model_running",
    "SELECT v.product, p.tenant, v.version, v.urn, v.model,"
    " (extract(epoch FROM v.created_at) * 1000)::int8 "
    "FROM device d JOIN product p ON p.id = d.product JOIN product_version v ON v.product = p.id "
    "WHERE d.id = $1::text AND v.version IN (d.model_version, p.model_version) "
    "ORDER BY v.version = d.model_version DESC LIMIT 1"};

constexpr Statement kList{"model_list",
                          "SELECT v.product, p.tenant, v.version, v.urn, '',"
                          " (extract(epoch FROM v.created_at) * 1000)::int8 "
                          "FROM product_version v JOIN product p ON p.id = v.product "
                          "WHERE p.tenant = $1::text AND ($2::text = '' OR v.product = $2::text)"
                          " AND ($3::text = '' OR v.urn = $3::text)"
                          " AND (v.product, v.version) > ($4::text, $5::int8) "
                          "ORDER BY v.product, v.version LIMIT $6::int8"};

// No row: the product has no such version. Otherwise whether that is another than its current one.
constexpr Statement kLock{
    "model_lock",
    "SELECT p.model_version <> v.version FROM product p JOIN product_version v ON v.product = p.id "
    "WHERE p.tenant = $1::text AND p.id = $2::text AND v.version = $3::int8 FOR UPDATE OF p"};
// Tells the pods that cache it.
constexpr Statement kTouch{"model_touch",
                           "UPDATE product SET version = version + 1, updated_at = now() "
                           "WHERE id = $1::text"};
constexpr Statement kDelete{
    "model_delete", "DELETE FROM product_version WHERE product = $1::text AND version = $2::int8"};

ModelRow ReadRow(const Result& rows, size_t i) {
  return {.product = std::string(rows.Text(i, 0)),
          .tenant = std::string(rows.Text(i, 1)),
          .version = rows.Int8(i, 2),
          .urn = std::string(rows.Text(i, 3)),
          .model = std::string(rows.Text(i, 4)),
          .created_ms = rows.Int8(i, 5)};
}

absl::Status NotFound(const ProductId& product, int64_t version) {
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "MODEL_VERSION_NOT_FOUND",
      fmt::format("the model of product {} has no version {}", product.str(), version));
}

}  // namespace

absl::StatusOr<int64_t> KeepModelVersion(postgres::Transaction& transaction,
                                         const std::string& product, const std::string& model,
                                         int64_t versions_max) {
  HP_ASSIGN_OR_RETURN(const Result same,
                      transaction.Execute(kSame, Params().Text(product).Text(model)));
  if (!same.empty()) return same.Int8(0, 0);
  HP_ASSIGN_OR_RETURN(const model::Model parsed, model::ParseModel(model));
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(
          kAdd, Params().Text(product).Text(parsed.urn()).Text(model).Int8(versions_max)));
  if (!rows.empty()) return rows.Int8(0, 0);
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, "MODEL_VERSIONS_TOO_MANY",
                         fmt::format("the model of product {} has {} versions: model-versions-max",
                                     product, versions_max));
}

absl::StatusOr<ModelRow> FindModelVersion(postgres::Connection& connection, const TenantId& tenant,
                                          const ProductId& product, int64_t version) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kFind, Params().Text(tenant.str()).Text(product.str()).Int8(version)));
  if (rows.empty()) return NotFound(product, version);
  return ReadRow(rows, 0);
}

absl::StatusOr<ModelRow> FindPrecedingModel(postgres::Connection& connection, const ModelRow& row) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kPreceding, Params().Text(row.product).Int8(row.version)));
  return rows.empty() ? ModelRow() : ReadRow(rows, 0);
}

absl::StatusOr<ModelRow> FindRunningModel(postgres::Connection& connection,
                                          const DeviceId& device) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kRunning, Params().Text(device.str())));
  return rows.empty() ? ModelRow() : ReadRow(rows, 0);
}

absl::StatusOr<ModelPage> ModelsOfProduct(postgres::Connection& connection,
                                          const std::string& product, int64_t after,
                                          int64_t bytes_max) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kOfProduct, Params().Text(product).Int8(after).Int8(bytes_max)));
  ModelPage page;
  for (size_t i = 0; i < rows.size(); ++i) page.models.push_back(ReadRow(rows, i));
  page.has_more = !rows.empty() && rows.Int8(0, 6) > static_cast<int64_t>(rows.size());
  return page;
}

absl::StatusOr<std::vector<ModelRow>> ListModelVersions(postgres::Connection& connection,
                                                        const TenantId& tenant,
                                                        const ModelQuery& query) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kList, Params()
                                                                       .Text(tenant.str())
                                                                       .Text(query.product)
                                                                       .Text(query.urn)
                                                                       .Text(query.after_product)
                                                                       .Int8(query.after_version)
                                                                       .Int8(query.limit)));
  std::vector<ModelRow> versions;
  for (size_t i = 0; i < rows.size(); ++i) versions.push_back(ReadRow(rows, i));
  return versions;
}

absl::Status DeleteModelVersion(postgres::Transaction& transaction, const TenantId& tenant,
                                const ProductId& product, int64_t version) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(kLock, Params().Text(tenant.str()).Text(product.str()).Int8(version)));
  if (rows.empty()) return NotFound(product, version);
  if (!rows.Bool(0, 0)) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "MODEL_VERSION_IN_USE",
                           fmt::format("version {} is the product's current one", version));
  }
  HP_RETURN_IF_ERROR(transaction.Execute(kTouch, Params().Text(product.str())).status());
  return transaction.Execute(kDelete, Params().Text(product.str()).Int8(version)).status();
}

}  // namespace homeport::registry
