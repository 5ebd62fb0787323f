#pragma once

#include "homeport/audit/v1/audit.grpc.pb.h"
#include "services/registry/api/call.h"

namespace homeport::registry {

// The gRPC AuditService. Thread-safe.
class AuditService final : public audit::v1::AuditService::Service {
 public:
  explicit AuditService(const ApiParts& parts) : parts_(parts) {}

  grpc::Status ListAuditEntries(grpc::ServerContext* context,
                                const audit::v1::ListAuditEntriesRequest* request,
                                audit::v1::ListAuditEntriesResponse* response) override;

 private:
  absl::Status List(const auth::Claims& claims, const audit::v1::ListAuditEntriesRequest& request,
                    audit::v1::ListAuditEntriesResponse& response);

  const ApiParts parts_;
};

}  // namespace homeport::registry
