#pragma once

#include "homeport/provisioning/v1/provisioning.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/provisioning/signer.h"

namespace homeport::registry {

// The gRPC ProvisioningService: templates and claim certificates. Thread-safe. Borrows the signer.
class ProvisioningService final : public provisioning::v1::ProvisioningService::Service {
 public:
  ProvisioningService(const ApiParts& parts, const CertificateSigner& signer, const Clock& clock)
      : parts_(parts), signer_(signer), clock_(clock) {}

  grpc::Status CreateTemplate(grpc::ServerContext* context,
                              const provisioning::v1::CreateTemplateRequest* request,
                              provisioning::v1::Template* response) override;
  grpc::Status GetTemplate(grpc::ServerContext* context,
                           const provisioning::v1::GetTemplateRequest* request,
                           provisioning::v1::Template* response) override;
  grpc::Status ListTemplates(grpc::ServerContext* context,
                             const provisioning::v1::ListTemplatesRequest* request,
                             provisioning::v1::ListTemplatesResponse* response) override;
  grpc::Status UpdateTemplate(grpc::ServerContext* context,
                              const provisioning::v1::UpdateTemplateRequest* request,
                              provisioning::v1::Template* response) override;
  grpc::Status DeleteTemplate(grpc::ServerContext* context,
                              const provisioning::v1::DeleteTemplateRequest* request,
                              provisioning::v1::DeleteTemplateResponse* response) override;
  grpc::Status CreateClaim(grpc::ServerContext* context,
                           const provisioning::v1::CreateClaimRequest* request,
                           provisioning::v1::CreateClaimResponse* response) override;
  grpc::Status ListClaims(grpc::ServerContext* context,
                          const provisioning::v1::ListClaimsRequest* request,
                          provisioning::v1::ListClaimsResponse* response) override;
  grpc::Status RevokeClaim(grpc::ServerContext* context,
                           const provisioning::v1::RevokeClaimRequest* request,
                           provisioning::v1::RevokeClaimResponse* response) override;

 private:
  absl::Status Create(const auth::Claims& claims,
                      const provisioning::v1::CreateTemplateRequest& request,
                      provisioning::v1::Template& response);
  absl::Status List(const auth::Claims& claims,
                    const provisioning::v1::ListTemplatesRequest& request,
                    provisioning::v1::ListTemplatesResponse& response);
  absl::Status Update(const auth::Claims& claims,
                      const provisioning::v1::UpdateTemplateRequest& request,
                      provisioning::v1::Template& response);
  absl::Status Delete(const auth::Claims& claims,
                      const provisioning::v1::DeleteTemplateRequest& request,
                      provisioning::v1::DeleteTemplateResponse& response);
  absl::Status Create(const auth::Claims& claims,
                      const provisioning::v1::CreateClaimRequest& request,
                      provisioning::v1::CreateClaimResponse& response);
  absl::Status List(const auth::Claims& claims, const provisioning::v1::ListClaimsRequest& request,
                    provisioning::v1::ListClaimsResponse& response);
  absl::Status Revoke(const auth::Claims& claims,
                      const provisioning::v1::RevokeClaimRequest& request,
                      provisioning::v1::RevokeClaimResponse& response);
  // A claim's certificate, and its key where that was made here.
  struct ClaimIdentity {
    auth::Certificate certificate;
    std::string key;
  };
  absl::StatusOr<ClaimIdentity> IdentityOf(postgres::Connection& connection,
                                           const std::string& tenant, const std::string& pem);

  const ApiParts parts_;
  const CertificateSigner& signer_;
  const Clock& clock_;
};

}  // namespace homeport::registry
