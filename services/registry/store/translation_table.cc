#include "services/registry/store/translation_table.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

#define HP_TRANSLATION_TIME "(extract(epoch FROM updated_at) * 1000)::int8"

// Nothing is put where there are as many of other languages as may be.
constexpr Statement kPut{
    "translation_put",
    "INSERT INTO product_translation AS t (product, language, texts) "
    "SELECT $1::text, $2::text, $3::text WHERE (SELECT count(*) FROM product_translation"
    " WHERE product = $1::text AND language <> $2::text) < $4::int8 "
    "ON CONFLICT (product, language) DO UPDATE SET texts = excluded.texts, updated_at = now() "
    "RETURNING language, texts, " HP_TRANSLATION_TIME};
constexpr Statement kFind{"translation_find", "SELECT language, texts, " HP_TRANSLATION_TIME
                                              " FROM product_translation "
                                              "WHERE product = $1::text AND language = $2::text"};
constexpr Statement kList{"translation_list",
                          "SELECT language, '', " HP_TRANSLATION_TIME
                          " FROM product_translation WHERE product = $1::text AND language > "
                          "$2::text ORDER BY language LIMIT $3::int8"};
constexpr Statement kDelete{"translation_delete",
                            "DELETE FROM product_translation "
                            "WHERE product = $1::text AND language = $2::text"};

#undef HP_TRANSLATION_TIME

TranslationRow ReadRow(const Result& rows, size_t i) {
  return {.language = std::string(rows.Text(i, 0)),
          .texts = std::string(rows.Text(i, 1)),
          .updated_ms = rows.Int8(i, 2)};
}

std::string Resource(const ProductId& product, std::string_view language) {
  return fmt::format("products/{}/translations/{}", product.str(), language);
}

absl::Status NotFound(const ProductId& product, std::string_view language) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "TRANSLATION_NOT_FOUND",
                         fmt::format("product {} has no translation {}", product.str(), language));
}

}  // namespace

absl::StatusOr<TranslationRow> PutTranslation(postgres::Connection& connection, const Actor& actor,
                                              const ProductId& product, const TranslationRow& row) {
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      transaction.Execute(
          kPut,
          Params().Text(product.str()).Text(row.language).Text(row.texts).Int8(kTranslationsMax)));
  if (rows.empty()) {
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TRANSLATIONS_TOO_MANY",
        fmt::format("product {} has {} translations", product.str(), kTranslationsMax));
  }
  HP_RETURN_IF_ERROR(
      Audit(transaction, actor, "UpdateTranslation", Resource(product, row.language)));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return ReadRow(rows, 0);
}

absl::StatusOr<TranslationRow> FindTranslation(postgres::Connection& connection,
                                               const ProductId& product,
                                               std::string_view language) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kFind, Params().Text(product.str()).Text(language)));
  if (rows.empty()) return NotFound(product, language);
  return ReadRow(rows, 0);
}

absl::StatusOr<std::vector<TranslationRow>> ListTranslations(postgres::Connection& connection,
                                                             const ProductId& product,
                                                             std::string_view after,
                                                             int64_t limit) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(kList, Params().Text(product.str()).Text(after).Int8(limit)));
  std::vector<TranslationRow> translations;
  for (size_t i = 0; i < rows.size(); ++i) translations.push_back(ReadRow(rows, i));
  return translations;
}

absl::Status DeleteTranslation(postgres::Connection& connection, const Actor& actor,
                               const ProductId& product, std::string_view language) {
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(const Result deleted,
                      transaction.Execute(kDelete, Params().Text(product.str()).Text(language)));
  if (deleted.affected() == 0) return NotFound(product, language);
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "DeleteTranslation", Resource(product, language)));
  return transaction.Commit();
}

}  // namespace homeport::registry
