#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry {

// The table provisioning_template. Errors carry the reasons TEMPLATE_NOT_FOUND, TEMPLATE_EXISTS.
struct TemplateRow {
  std::string tenant;
  std::string name;
  std::string body;
  std::string product;
  bool disabled = false;
  int64_t created_ms = 0;
};

[[nodiscard]] absl::StatusOr<TemplateRow> CreateTemplate(postgres::Transaction& transaction,
                                                         const Actor& actor,
                                                         const TemplateRow& row);
[[nodiscard]] absl::StatusOr<TemplateRow> FindTemplate(postgres::Connection& connection,
                                                       std::string_view tenant,
                                                       std::string_view name);
// Sorted by name, behind `after`.
[[nodiscard]] absl::StatusOr<std::vector<TemplateRow>> ListTemplates(
    postgres::Connection& connection, std::string_view tenant, std::string_view after,
    int64_t limit);
// Nobody else changes the row until the transaction ends.
[[nodiscard]] absl::StatusOr<TemplateRow> LockTemplate(postgres::Transaction& transaction,
                                                       std::string_view tenant,
                                                       std::string_view name);
// Replaces body, product and disabled.
[[nodiscard]] absl::StatusOr<TemplateRow> UpdateTemplate(postgres::Transaction& transaction,
                                                         const Actor& actor,
                                                         const TemplateRow& row);
[[nodiscard]] absl::Status DeleteTemplate(postgres::Transaction& transaction, const Actor& actor,
                                          std::string_view tenant, std::string_view name);
// Those that provision devices of a product.
[[nodiscard]] absl::Status DeleteTemplatesOf(postgres::Transaction& transaction, const Actor& actor,
                                             std::string_view tenant, std::string_view product);

}  // namespace homeport::registry
