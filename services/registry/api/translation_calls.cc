#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/model_service.h"
#include "services/registry/api/mutation.h"
#include "services/registry/api/page.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/store/translation_table.h"

// Translations of the ModelService.
namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kWriters = {"operator"};
const std::initializer_list<std::string_view> kReaders = {"user", "operator"};
constexpr std::string_view kCollection = "translations";
constexpr size_t kTextsMax = 8192;
constexpr size_t kTextsBytesMax = 256 * 1024;

struct TranslationName {
  ProductRow product;
  std::string language;
};

absl::StatusOr<TranslationName> ReadName(postgres::Connection& connection,
                                         const auth::Claims& claims, const std::string& name) {
  const ChildName parts = SplitChild(name, kCollection);
  const std::optional<std::string> language = model::CanonicalLanguage(parts.id);
  if (!language) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "NAME_INVALID",
        "the name is not of the form tenants/{tenant}/products/{product}/translations/{language}");
  }
  HP_ASSIGN_OR_RETURN(ProductRow product, FindOwnProduct(connection, claims, parts.product));
  return TranslationName{std::move(product), *language};
}

absl::Status TextsInvalid(std::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "TRANSLATION_INVALID", what);
}

// The JSON that is stored, under canonical keys.
absl::StatusOr<std::string> TextsJson(const product::v1::Translation& translation) {
  if (translation.texts().size() > kTextsMax) return TextsInvalid("texts: more than 8,192");
  model::TextMap texts;
  for (const auto& [key, text] : translation.texts()) {
    const std::optional<std::string> canonical = model::CanonicalTextKey(key);
    if (!canonical)
      return TextsInvalid(fmt::format("texts: \"{}\" is no key", Shortened(key, 100)));
    if (!IsPlainText(text)) return TextsInvalid(fmt::format("texts[{}]: has a NUL", key));
    texts[*canonical] = text;
  }
  json::Object object;
  for (const auto& [key, text] : texts) object.Append(key, text);
  std::string printed = json::Print(object);
  if (printed.size() > kTextsBytesMax) return TextsInvalid("texts: more than 256 KiB");
  return printed;
}

void Fill(const ProductRow& product, const TranslationRow& row, product::v1::Translation& out) {
  out.set_name(fmt::format("{}/{}/{}", rpc::FormatProductName(product.tenant, product.id),
                           kCollection, row.language));
  *out.mutable_update_time() = ToTimestamp(row.updated_ms);
  const absl::StatusOr<json::Value> texts = json::Parse(row.texts);
  const json::Object* object = texts.ok() ? texts->IfObject() : nullptr;
  if (object == nullptr) return;
  for (const json::Member& member : *object) {
    if (const std::string* text = member.value.IfString()) {
      (*out.mutable_texts())[member.key] = *text;
    }
  }
}

}  // namespace

grpc::Status ModelService::UpdateTranslation(grpc::ServerContext* context,
                                             const product::v1::UpdateTranslationRequest* request,
                                             product::v1::Translation* response) {
  return Serve(parts_, "UpdateTranslation", *context, kWriters, [&](const auth::Claims& claims) {
    return PutTexts(claims, request->translation(), *response);
  });
}

absl::Status ModelService::PutTexts(const auth::Claims& claims,
                                    const product::v1::Translation& translation,
                                    product::v1::Translation& response) {
  HP_ASSIGN_OR_RETURN(std::string texts, TextsJson(translation));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const TranslationName name,
                      ReadName(*connection, claims, translation.name()));
  HP_ASSIGN_OR_RETURN(const TranslationRow row,
                      PutTranslation(*connection, ActorOf(claims), ProductId(name.product.id),
                                     {.language = name.language, .texts = std::move(texts)}));
  Fill(name.product, row, response);
  return absl::OkStatus();
}

grpc::Status ModelService::GetTranslation(grpc::ServerContext* context,
                                          const product::v1::GetTranslationRequest* request,
                                          product::v1::Translation* response) {
  return Serve(parts_, "GetTranslation", *context, kReaders,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 HP_ASSIGN_OR_RETURN(const TranslationName name,
                                     ReadName(*connection, claims, request->name()));
                 HP_ASSIGN_OR_RETURN(
                     const TranslationRow row,
                     FindTranslation(*connection, ProductId(name.product.id), name.language));
                 Fill(name.product, row, *response);
                 return absl::OkStatus();
               });
}

grpc::Status ModelService::ListTranslations(grpc::ServerContext* context,
                                            const product::v1::ListTranslationsRequest* request,
                                            product::v1::ListTranslationsResponse* response) {
  return Serve(parts_, "ListTranslations", *context, kReaders, [&](const auth::Claims& claims) {
    return ListLanguages(claims, *request, *response);
  });
}

absl::Status ModelService::ListLanguages(const auth::Claims& claims,
                                         const product::v1::ListTranslationsRequest& request,
                                         product::v1::ListTranslationsResponse& response) {
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const ProductRow product,
                      FindOwnProduct(*connection, claims, request.parent()));
  HP_ASSIGN_OR_RETURN(
      const std::vector<TranslationRow> rows,
      registry::ListTranslations(*connection, ProductId(product.id), page.after(), page.size + 1));
  FillPage(
      page, rows, response,
      [&](const TranslationRow& row) { Fill(product, row, *response.add_translations()); },
      [](const TranslationRow& row) { return std::vector{row.language}; });
  return absl::OkStatus();
}

grpc::Status ModelService::DeleteTranslation(grpc::ServerContext* context,
                                             const product::v1::DeleteTranslationRequest* request,
                                             google::protobuf::Empty* /*response*/) {
  return Serve(parts_, "DeleteTranslation", *context, kWriters,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 HP_ASSIGN_OR_RETURN(const TranslationName name,
                                     ReadName(*connection, claims, request->name()));
                 return registry::DeleteTranslation(*connection, ActorOf(claims),
                                                    ProductId(name.product.id), name.language);
               });
}

}  // namespace homeport::registry
