#pragma once

#include <cstdint>
#include <string>

#include "homeport/product/v1/product.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/api/upgrade_check.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry {

// The gRPC ProductService. Thread-safe.
class ProductService final : public product::v1::ProductService::Service {
 public:
  struct Limits {
    int64_t versions_max = 64;      // of a product's model
    int64_t history_days_max = 30;  // that a product may keep history for
  };
  ProductService(const ApiParts& parts, const Limits& limits) : parts_(parts), limits_(limits) {}

  grpc::Status CreateProduct(grpc::ServerContext* context,
                             const product::v1::CreateProductRequest* request,
                             product::v1::Product* response) override;
  grpc::Status GetProduct(grpc::ServerContext* context,
                          const product::v1::GetProductRequest* request,
                          product::v1::Product* response) override;
  grpc::Status ListProducts(grpc::ServerContext* context,
                            const product::v1::ListProductsRequest* request,
                            product::v1::ListProductsResponse* response) override;
  grpc::Status UpdateProduct(grpc::ServerContext* context,
                             const product::v1::UpdateProductRequest* request,
                             product::v1::Product* response) override;
  grpc::Status DeleteProduct(grpc::ServerContext* context,
                             const product::v1::DeleteProductRequest* request,
                             google::protobuf::Empty* response) override;
  grpc::Status GetFleetKey(grpc::ServerContext* context,
                           const product::v1::GetFleetKeyRequest* request,
                           product::v1::FleetKey* response) override;

 private:
  absl::Status Create(const auth::Claims& claims, const product::v1::CreateProductRequest& request,
                      product::v1::Product& response);
  absl::Status List(const auth::Claims& claims, const product::v1::ListProductsRequest& request,
                    product::v1::ListProductsResponse& response);
  absl::Status Update(const auth::Claims& claims, const product::v1::UpdateProductRequest& request,
                      UpgradeCheck& check, product::v1::Product& response);
  absl::Status Delete(const auth::Claims& claims, const product::v1::DeleteProductRequest& request,
                      google::protobuf::Empty& response);
  absl::StatusOr<ProductRow> Find(const auth::Claims& claims, const std::string& name);

  const ApiParts parts_;
  const Limits limits_;
};

}  // namespace homeport::registry
