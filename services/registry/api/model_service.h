#pragma once

#include <cstdint>
#include <string>

#include "homeport/product/v1/model.grpc.pb.h"
#include "libs/model/titles.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/call.h"
#include "services/registry/api/freshness.h"
#include "services/registry/api/upgrade_check.h"
#include "services/registry/store/model_table.h"

namespace homeport::registry {

// The gRPC ModelService: model_service.cc has the versions, model_views.cc what is typed,
// translation_calls.cc the translations. Thread-safe.
class ModelService final : public product::v1::ModelService::Service {
 public:
  // At most `versions_max` versions of a product's model.
  ModelService(const ApiParts& parts, int64_t versions_max, const Freshness& freshness)
      : parts_(parts), versions_max_(versions_max), freshness_(freshness) {}

  grpc::Status CreateModelVersion(grpc::ServerContext* context,
                                  const product::v1::CreateModelVersionRequest* request,
                                  product::v1::ModelVersion* response) override;
  grpc::Status GetModelVersion(grpc::ServerContext* context,
                               const product::v1::GetModelVersionRequest* request,
                               product::v1::ModelVersion* response) override;
  grpc::Status ListModelVersions(grpc::ServerContext* context,
                                 const product::v1::ListModelVersionsRequest* request,
                                 product::v1::ListModelVersionsResponse* response) override;
  grpc::Status DeleteModelVersion(grpc::ServerContext* context,
                                  const product::v1::DeleteModelVersionRequest* request,
                                  google::protobuf::Empty* response) override;
  grpc::Status GetTypedModel(grpc::ServerContext* context,
                             const product::v1::GetTypedModelRequest* request,
                             product::v1::TypedModel* response) override;
  grpc::Status GetTypedShadow(grpc::ServerContext* context,
                              const product::v1::GetTypedShadowRequest* request,
                              product::v1::TypedShadow* response) override;
  grpc::Status UpdateTranslation(grpc::ServerContext* context,
                                 const product::v1::UpdateTranslationRequest* request,
                                 product::v1::Translation* response) override;
  grpc::Status GetTranslation(grpc::ServerContext* context,
                              const product::v1::GetTranslationRequest* request,
                              product::v1::Translation* response) override;
  grpc::Status ListTranslations(grpc::ServerContext* context,
                                const product::v1::ListTranslationsRequest* request,
                                product::v1::ListTranslationsResponse* response) override;
  grpc::Status DeleteTranslation(grpc::ServerContext* context,
                                 const product::v1::DeleteTranslationRequest* request,
                                 google::protobuf::Empty* response) override;

 private:
  absl::Status Create(const auth::Claims& claims,
                      const product::v1::CreateModelVersionRequest& request, UpgradeCheck& check,
                      product::v1::ModelVersion& response);
  absl::Status List(const auth::Claims& claims,
                    const product::v1::ListModelVersionsRequest& request,
                    product::v1::ListModelVersionsResponse& response);
  absl::Status Delete(const auth::Claims& claims, const std::string& name);
  absl::Status DescribeModel(const auth::Claims& claims,
                             const product::v1::GetTypedModelRequest& request,
                             product::v1::TypedModel& response);
  absl::Status DescribeShadow(const auth::Claims& claims,
                              const product::v1::GetTypedShadowRequest& request,
                              product::v1::TypedShadow& response);
  absl::Status PutTexts(const auth::Claims& claims, const product::v1::Translation& translation,
                        product::v1::Translation& response);
  absl::Status ListLanguages(const auth::Claims& claims,
                             const product::v1::ListTranslationsRequest& request,
                             product::v1::ListTranslationsResponse& response);

  // Of a version's name, or of a product's for its current version.
  absl::StatusOr<ModelRow> FindNamed(postgres::Connection& connection, const auth::Claims& claims,
                                     const std::string& name);

  const ApiParts parts_;
  const int64_t versions_max_;
  const Freshness freshness_;
};

// "{product name}/{collection}/{id}" taken apart; the whole name and no id for one of a product.
struct ChildName {
  std::string product;
  std::string id;
};
[[nodiscard]] ChildName SplitChild(const std::string& name, std::string_view collection);

// The product, if it is one of a tenant that the caller may see.
[[nodiscard]] absl::StatusOr<ProductRow> FindOwnProduct(postgres::Connection& connection,
                                                        const auth::Claims& claims,
                                                        const std::string& name);

[[nodiscard]] absl::Status NoModel(std::string_view owner);
[[nodiscard]] std::string FormatModelName(std::string_view tenant, std::string_view product,
                                          int64_t version);

// The texts that serve a reader of `language`, best first. Empty for "".
[[nodiscard]] absl::StatusOr<std::vector<model::TextMap>> LoadTexts(
    postgres::Connection& connection, const ProductId& product, const std::string& language);

}  // namespace homeport::registry
