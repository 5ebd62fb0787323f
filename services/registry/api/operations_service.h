#pragma once

#include <string>
#include <vector>

#include "google/longrunning/operations.grpc.pb.h"
#include "homeport/device/v1/device.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/store/operation_table.h"

namespace homeport::registry {

struct OperationName {
  TenantId tenant;
  std::string id;
};
// "tenants/{tenant}/operations/{operation}", of the caller's own tenant.
[[nodiscard]] absl::StatusOr<OperationName> ReadOperationName(const auth::Claims& claims,
                                                              const std::string& name);
void FillFailure(const FailureRow& row, device::v1::ImportFailure& out);
// `failures` are those shown with the result.
void FillOperation(const OperationRow& row, const std::vector<FailureRow>& failures,
                   google::longrunning::Operation& out);

// The gRPC service of long-running operations. Thread-safe.
class OperationsService final : public google::longrunning::Operations::Service {
 public:
  explicit OperationsService(const ApiParts& parts) : parts_(parts) {}

  grpc::Status ListOperations(grpc::ServerContext* context,
                              const google::longrunning::ListOperationsRequest* request,
                              google::longrunning::ListOperationsResponse* response) override;
  grpc::Status GetOperation(grpc::ServerContext* context,
                            const google::longrunning::GetOperationRequest* request,
                            google::longrunning::Operation* response) override;
  grpc::Status DeleteOperation(grpc::ServerContext* context,
                               const google::longrunning::DeleteOperationRequest* request,
                               google::protobuf::Empty* response) override;
  grpc::Status CancelOperation(grpc::ServerContext* context,
                               const google::longrunning::CancelOperationRequest* request,
                               google::protobuf::Empty* response) override;

 private:
  absl::Status List(const auth::Claims& claims,
                    const google::longrunning::ListOperationsRequest& request,
                    google::longrunning::ListOperationsResponse& response);
  absl::Status Get(const auth::Claims& claims, const std::string& name,
                   google::longrunning::Operation& response);

  const ApiParts parts_;
};

}  // namespace homeport::registry
