#pragma once

#include "homeport/topology/v1/topology.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/pod_inbox.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

// The gRPC TopologyService: changes go through the child's uplink stream and are answered when they
// are committed. Thread-safe. Borrows what it is given.
class TopologyService final : public topology::v1::TopologyService::Service {
 public:
  TopologyService(const ApiParts& parts, StreamAppender& appender, AnswerTable& answers)
      : parts_(parts), appender_(appender), answers_(answers) {}

  grpc::Status AttachChild(grpc::ServerContext* context,
                           const topology::v1::AttachChildRequest* request,
                           topology::v1::AttachChildResponse* response) override;
  grpc::Status DetachChild(grpc::ServerContext* context,
                           const topology::v1::DetachChildRequest* request,
                           topology::v1::DetachChildResponse* response) override;
  grpc::Status ListChildren(grpc::ServerContext* context,
                            const topology::v1::ListChildrenRequest* request,
                            topology::v1::ListChildrenResponse* response) override;

 private:
  absl::Status Attach(const grpc::ServerContext& context, const auth::Claims& claims,
                      const topology::v1::AttachChildRequest& request);
  absl::Status Detach(const grpc::ServerContext& context, const auth::Claims& claims,
                      const topology::v1::DetachChildRequest& request);
  absl::Status List(const auth::Claims& claims, const topology::v1::ListChildrenRequest& request,
                    topology::v1::ListChildrenResponse& response);
  absl::Status Ask(const grpc::ServerContext& context, internal::v1::UplinkMessage message);

  const ApiParts parts_;
  StreamAppender& appender_;
  AnswerTable& answers_;
};

}  // namespace homeport::registry
