#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry {

// The table product_translation: texts of a product's model, a row for each language. The caller
// has checked that the product is its tenant's. Errors carry the reasons TRANSLATION_NOT_FOUND,
// TRANSLATIONS_TOO_MANY.
struct TranslationRow {
  std::string language;
  std::string texts;  // JSON object
  int64_t updated_ms = 0;
};

inline constexpr int64_t kTranslationsMax = 64;  // of one product

[[nodiscard]] absl::StatusOr<TranslationRow> PutTranslation(postgres::Connection& connection,
                                                            const Actor& actor,
                                                            const ProductId& product,
                                                            const TranslationRow& row);
[[nodiscard]] absl::StatusOr<TranslationRow> FindTranslation(postgres::Connection& connection,
                                                             const ProductId& product,
                                                             std::string_view language);
// Sorted by language; texts are left out.
[[nodiscard]] absl::StatusOr<std::vector<TranslationRow>> ListTranslations(
    postgres::Connection& connection, const ProductId& product, std::string_view after,
    int64_t limit);
[[nodiscard]] absl::Status DeleteTranslation(postgres::Connection& connection, const Actor& actor,
                                             const ProductId& product, std::string_view language);

}  // namespace homeport::registry
