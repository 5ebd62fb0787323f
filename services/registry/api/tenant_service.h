#pragma once

#include "homeport/tenant/v1/tenant.grpc.pb.h"
#include "services/registry/api/call.h"

namespace homeport::registry {

// The gRPC TenantService. Thread-safe.
class TenantService final : public tenant::v1::TenantService::Service {
 public:
  explicit TenantService(const ApiParts& parts) : parts_(parts) {}

  grpc::Status CreateTenant(grpc::ServerContext* context,
                            const tenant::v1::CreateTenantRequest* request,
                            tenant::v1::Tenant* response) override;
  grpc::Status GetTenant(grpc::ServerContext* context, const tenant::v1::GetTenantRequest* request,
                         tenant::v1::Tenant* response) override;
  grpc::Status ListTenants(grpc::ServerContext* context,
                           const tenant::v1::ListTenantsRequest* request,
                           tenant::v1::ListTenantsResponse* response) override;
  grpc::Status UpdateTenant(grpc::ServerContext* context,
                            const tenant::v1::UpdateTenantRequest* request,
                            tenant::v1::Tenant* response) override;
  grpc::Status DeleteTenant(grpc::ServerContext* context,
                            const tenant::v1::DeleteTenantRequest* request,
                            tenant::v1::DeleteTenantResponse* response) override;

 private:
  absl::Status Create(const auth::Claims& claims, const tenant::v1::CreateTenantRequest& request,
                      tenant::v1::Tenant& response);
  absl::Status Get(const auth::Claims& claims, const std::string& name,
                   tenant::v1::Tenant& response);
  absl::Status List(const auth::Claims& claims, const tenant::v1::ListTenantsRequest& request,
                    tenant::v1::ListTenantsResponse& response);
  absl::Status Update(const auth::Claims& claims, const tenant::v1::UpdateTenantRequest& request,
                      tenant::v1::Tenant& response);
  absl::Status Delete(const auth::Claims& claims, const tenant::v1::DeleteTenantRequest& request,
                      tenant::v1::DeleteTenantResponse& response);

  const ApiParts parts_;
};

}  // namespace homeport::registry
