#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/audit_table.h"

namespace homeport::registry {

// The table product. Errors carry the reasons PRODUCT_NOT_FOUND, PRODUCT_EXISTS, PRODUCT_NOT_EMPTY,
// ETAG_MISMATCH, QUOTA_EXCEEDED.
struct ProductRow {
  std::string id;
  std::string tenant;
  std::string display_name;
  std::string model;          // the current version's text, "" = no model
  int64_t model_version = 0;  // its number, 0 = no model
  std::string fleet_key;
  bool allow_unregistered = false;
  bool skip_unchanged = false;  // shadow_skip_unchanged
  bool is_hub = false;
  std::string topic_policy;  // a serialised product.v1.TopicPolicy
  std::vector<std::string> history_properties;
  int64_t history_days = 0;  // 0 = as the deployment
  int64_t version = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

// `row.model`, if any, becomes version 1. REQUIRES: it can be parsed.
[[nodiscard]] absl::StatusOr<ProductRow> CreateProduct(postgres::Transaction& transaction,
                                                       const Actor& actor, const ProductRow& row);
// Of any tenant.
[[nodiscard]] absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection,
                                                     const ProductId& id);
[[nodiscard]] absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection,
                                                     const TenantId& tenant, const ProductId& id);
// Of any tenant, without its model.
[[nodiscard]] absl::StatusOr<ProductRow> FindProductAlone(postgres::Connection& connection,
                                                          const ProductId& id);
// Sorted by id, behind `after`; models are left out.
[[nodiscard]] absl::StatusOr<std::vector<ProductRow>> ListProducts(postgres::Connection& connection,
                                                                   const TenantId& tenant,
                                                                   const std::string& after,
                                                                   int64_t limit);
// Decides on a change of model from one text to another; either may be "".
using ModelGate = std::function<absl::Status(const std::string& was, const std::string& now)>;
struct ModelRules {
  ModelGate gate;
  int64_t versions_max = 64;  // of one product
};

// Locked until the transaction ends; `version` 0 means any.
[[nodiscard]] absl::StatusOr<ProductRow> LockProduct(postgres::Transaction& transaction,
                                                     const TenantId& tenant, const ProductId& id,
                                                     int64_t version);
// Replaces display_name, model, allow_unregistered, skip_unchanged, is_hub, topic_policy,
// history_properties and history_days of `present`, which is locked. Another model becomes a new
// version, if the gate lets it pass (model_table.h); "" means no model. REQUIRES: the model can be
// parsed.
[[nodiscard]] absl::StatusOr<ProductRow> UpdateProduct(postgres::Transaction& transaction,
                                                       const Actor& actor,
                                                       const ProductRow& present,
                                                       const ProductRow& row,
                                                       const ModelRules& rules);

// Removes the product, with its model's versions and translations, and the provisioning templates
// of it; certificate authorities register no more devices of it. FAILED_PRECONDITION
// PRODUCT_NOT_EMPTY while it has devices, deleted ones too.
[[nodiscard]] absl::Status DeleteProduct(postgres::Transaction& transaction, const Actor& actor,
                                         const ProductRow& row);
// Those of `products` that exist; none of these is deleted before the transaction ends. For who
// makes devices of them.
[[nodiscard]] absl::StatusOr<std::set<std::string, std::less<>>> KeepProducts(
    postgres::Transaction& transaction, const std::set<std::string, std::less<>>& products);
[[nodiscard]] absl::Status ProductNotFound(std::string_view product);

// Adds a version of the model, and makes it the current one unless `keep_current`.
struct ModelImport {
  std::string product;
  std::string tenant;
  std::string model;
  bool keep_current = false;
};
[[nodiscard]] absl::StatusOr<int64_t> ImportModel(postgres::Transaction& transaction,
                                                  const Actor& actor, const ModelImport& import,
                                                  const ModelRules& rules);

}  // namespace homeport::registry
