#pragma once

#include "homeport/credential/v1/credential.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/store/credential_table.h"

namespace homeport::registry {

// The gRPC CredentialService. Thread-safe. Gateways learn of changes by
// DirectoryService.ListChanges.
class CredentialService final : public credential::v1::CredentialService::Service {
 public:
  CredentialService(const ApiParts& parts, const Clock& clock) : parts_(parts), clock_(clock) {}

  grpc::Status CreateCredential(grpc::ServerContext* context,
                                const credential::v1::CreateCredentialRequest* request,
                                credential::v1::CreateCredentialResponse* response) override;
  grpc::Status ListCredentials(grpc::ServerContext* context,
                               const credential::v1::ListCredentialsRequest* request,
                               credential::v1::ListCredentialsResponse* response) override;
  grpc::Status RevokeCredential(grpc::ServerContext* context,
                                const credential::v1::RevokeCredentialRequest* request,
                                credential::v1::RevokeCredentialResponse* response) override;
  grpc::Status CreateAuthority(grpc::ServerContext* context,
                               const credential::v1::CreateAuthorityRequest* request,
                               credential::v1::Authority* response) override;
  grpc::Status ListAuthorities(grpc::ServerContext* context,
                               const credential::v1::ListAuthoritiesRequest* request,
                               credential::v1::ListAuthoritiesResponse* response) override;
  grpc::Status UpdateAuthority(grpc::ServerContext* context,
                               const credential::v1::UpdateAuthorityRequest* request,
                               credential::v1::Authority* response) override;
  grpc::Status DeleteAuthority(grpc::ServerContext* context,
                               const credential::v1::DeleteAuthorityRequest* request,
                               credential::v1::DeleteAuthorityResponse* response) override;
  grpc::Status ImportRevocationList(
      grpc::ServerContext* context, const credential::v1::ImportRevocationListRequest* request,
      credential::v1::ImportRevocationListResponse* response) override;

 private:
  absl::Status Create(const auth::Claims& claims,
                      const credential::v1::CreateCredentialRequest& request,
                      credential::v1::CreateCredentialResponse& response);
  absl::Status List(const auth::Claims& claims,
                    const credential::v1::ListCredentialsRequest& request,
                    credential::v1::ListCredentialsResponse& response);
  absl::Status Revoke(const auth::Claims& claims,
                      const credential::v1::RevokeCredentialRequest& request,
                      credential::v1::RevokeCredentialResponse& response);
  absl::Status Create(const auth::Claims& claims,
                      const credential::v1::CreateAuthorityRequest& request,
                      credential::v1::Authority& response);
  absl::Status List(const auth::Claims& claims,
                    const credential::v1::ListAuthoritiesRequest& request,
                    credential::v1::ListAuthoritiesResponse& response);
  absl::Status Update(const auth::Claims& claims,
                      const credential::v1::UpdateAuthorityRequest& request,
                      credential::v1::Authority& response);
  absl::Status Delete(const auth::Claims& claims,
                      const credential::v1::DeleteAuthorityRequest& request,
                      credential::v1::DeleteAuthorityResponse& response);
  absl::Status Import(const auth::Claims& claims,
                      const credential::v1::ImportRevocationListRequest& request,
                      credential::v1::ImportRevocationListResponse& response);

  const ApiParts parts_;
  const Clock& clock_;
};

}  // namespace homeport::registry
