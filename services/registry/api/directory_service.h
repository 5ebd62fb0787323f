#pragma once

#include "homeport/internal/v1/directory.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/api/freshness.h"

namespace homeport::registry {

// What gateways ask. Thread-safe.
class DirectoryService final : public internal::v1::DirectoryService::Service {
 public:
  DirectoryService(const ApiParts& parts, const Clock& clock, const Freshness& freshness)
      : parts_(parts), clock_(clock), freshness_(freshness) {}

  grpc::Status GetProductConfig(grpc::ServerContext* context,
                                const internal::v1::GetProductConfigRequest* request,
                                internal::v1::ProductConfig* response) override;
  grpc::Status GetDeviceConfig(grpc::ServerContext* context,
                               const internal::v1::GetDeviceConfigRequest* request,
                               internal::v1::DeviceConfig* response) override;
  grpc::Status ResolveCertificate(grpc::ServerContext* context,
                                  const internal::v1::ResolveCertificateRequest* request,
                                  internal::v1::CertificateConfig* response) override;
  grpc::Status ListChanges(grpc::ServerContext* context,
                           const internal::v1::ListChangesRequest* request,
                           internal::v1::ListChangesResponse* response) override;
  grpc::Status GetState(grpc::ServerContext* context, const internal::v1::GetStateRequest* request,
                        internal::v1::DeviceState* response) override;

 private:
  absl::Status FindState(const internal::v1::GetStateRequest& request,
                         internal::v1::DeviceState& response);

  const ApiParts parts_;
  const Clock& clock_;
  const Freshness freshness_;
};

}  // namespace homeport::registry
