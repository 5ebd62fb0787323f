#include <utility>

#include "libs/base/status.h"
#include "libs/json/parse.h"
#include "libs/model/parse.h"
#include "services/registry/api/model_service.h"
#include "services/registry/api/typed_convert.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/shadow_table.h"
#include "services/registry/store/translation_table.h"

// What of the ModelService is typed: models taken apart, shadows in their terms.
namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kReaders = {"user", "operator"};

model::Titles TitlesOf(const std::vector<model::TextMap>& texts) {
  std::vector<const model::TextMap*> order;
  order.reserve(texts.size());
  for (const model::TextMap& map : texts) order.push_back(&map);
  return model::Titles(std::move(order));
}

model::TextMap ReadTexts(const std::string& text) {
  model::TextMap texts;
  const absl::StatusOr<json::Value> value = json::Parse(text);
  const json::Object* object = value.ok() ? value->IfObject() : nullptr;
  if (object == nullptr) return texts;
  for (const json::Member& member : *object) {
    if (const std::string* title = member.value.IfString()) texts.emplace(member.key, *title);
  }
  return texts;
}

}  // namespace

absl::StatusOr<std::vector<model::TextMap>> LoadTexts(postgres::Connection& connection,
                                                      const ProductId& product,
                                                      const std::string& language) {
  std::vector<model::TextMap> texts;
  const std::optional<std::string> wanted = model::CanonicalLanguage(language);
  if (!wanted) return texts;
  HP_ASSIGN_OR_RETURN(const std::vector<TranslationRow> rows,
                      ListTranslations(connection, product, "", kTranslationsMax));
  std::vector<std::string> available;
  available.reserve(rows.size());
  for (const TranslationRow& row : rows) available.push_back(row.language);
  for (const std::string& best : model::LanguagesFor(*wanted, available)) {
    HP_ASSIGN_OR_RETURN(const TranslationRow row, FindTranslation(connection, product, best));
    texts.push_back(ReadTexts(row.texts));
  }
  return texts;
}

grpc::Status ModelService::GetTypedModel(grpc::ServerContext* context,
                                         const product::v1::GetTypedModelRequest* request,
                                         product::v1::TypedModel* response) {
  return Serve(parts_, "GetTypedModel", *context, kReaders, [&](const auth::Claims& claims) {
    return DescribeModel(claims, *request, *response);
  });
}

absl::Status ModelService::DescribeModel(const auth::Claims& claims,
                                         const product::v1::GetTypedModelRequest& request,
                                         product::v1::TypedModel& response) {
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const ModelRow row, FindNamed(*connection, claims, request.name()));
  HP_ASSIGN_OR_RETURN(const std::vector<model::TextMap> texts,
                      LoadTexts(*connection, ProductId(row.product), request.language()));
  HP_ASSIGN_OR_RETURN(const model::Model model, model::ParseModel(row.model));
  response.set_name(FormatModelName(row.tenant, row.product, row.version));
  FillModel(model, TitlesOf(texts), response);
  return absl::OkStatus();
}

grpc::Status ModelService::GetTypedShadow(grpc::ServerContext* context,
                                          const product::v1::GetTypedShadowRequest* request,
                                          product::v1::TypedShadow* response) {
  return Serve(parts_, "GetTypedShadow", *context, kReaders, [&](const auth::Claims& claims) {
    return DescribeShadow(claims, *request, *response);
  });
}

absl::Status ModelService::DescribeShadow(const auth::Claims& claims,
                                          const product::v1::GetTypedShadowRequest& request,
                                          product::v1::TypedShadow& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName name,
                      rpc::ParseDeviceName(request.name(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, name.tenant.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const absl::StatusOr<DeviceRow> device = FindDevice(*connection, name.tenant, name.device);
  if (absl::IsNotFound(device.status())) return rpc::PermissionDenied(request.name());
  HP_RETURN_IF_ERROR(device.status());
  HP_ASSIGN_OR_RETURN(const ModelRow row, FindRunningModel(*connection, name.device));
  if (row.version == 0) return NoModel(request.name());
  HP_ASSIGN_OR_RETURN(const shadow::Document document, FindShadow(*connection, name.device, ""));
  HP_ASSIGN_OR_RETURN(const std::vector<model::TextMap> texts,
                      LoadTexts(*connection, ProductId(row.product), request.language()));
  HP_ASSIGN_OR_RETURN(const model::Model model, model::ParseModel(row.model));
  response.set_name(rpc::FormatDeviceName(name.tenant.str(), name.device.str()));
  response.set_model_version(FormatModelName(row.tenant, row.product, row.version));
  HP_ASSIGN_OR_RETURN(
      const StoredPresence presence,
      FindPresence(*connection, name.device, freshness_.PartitionOf(name.device.str())));
  response.set_online(presence.online);
  response.set_stale(freshness_.IsStale(presence));
  const model::Titles titles = TitlesOf(texts);
  FillShadow(model, document, request.language().empty() ? nullptr : &titles, response);
  return absl::OkStatus();
}

}  // namespace homeport::registry
