#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// The table product. Errors carry the reasons PRODUCT_NOT_FOUND, PRODUCT_EXISTS, ETAG_MISMATCH.
struct ProductRow {
  std::string id;
  std::string tenant;
  std::string display_name;
  std::string model;
  std::string fleet_key;
  bool allow_unregistered = false;
  bool skip_unchanged = false;  // shadow_skip_unchanged
  int64_t version = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

// Who does what, for the table audit.
struct Actor {
  std::string tenant;
  std::string subject;
};

[[nodiscard]] absl::Status Audit(postgres::Transaction& transaction, const Actor& actor,
                                 std::string_view action, std::string_view resource);

[[nodiscard]] absl::StatusOr<ProductRow> CreateProduct(postgres::Connection& connection,
                                                       const Actor& actor, const ProductRow& row);
// Of any tenant.
[[nodiscard]] absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection,
                                                     const ProductId& id);
[[nodiscard]] absl::StatusOr<ProductRow> FindProduct(postgres::Connection& connection,
                                                     const TenantId& tenant, const ProductId& id);
// Sorted by id, behind `after`; models are left out.
[[nodiscard]] absl::StatusOr<std::vector<ProductRow>> ListProducts(postgres::Connection& connection,
                                                                   const TenantId& tenant,
                                                                   const std::string& after,
                                                                   int64_t limit);
// Replaces display_name, model, allow_unregistered and skip_unchanged; row.version 0 means any
// version.
[[nodiscard]] absl::StatusOr<ProductRow> UpdateProduct(postgres::Connection& connection,
                                                       const Actor& actor, const ProductRow& row);

}  // namespace homeport::registry
