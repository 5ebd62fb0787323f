#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "homeport/shadow/v1/shadow.grpc.pb.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/batched_reads.h"
#include "services/registry/api/call.h"
#include "services/registry/api/freshness.h"
#include "services/registry/pod_inbox.h"
#include "services/registry/store/shadow_table.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

using ShadowReads = BatchedReads<ShadowKey, DeviceShadow>;

// The gRPC ShadowService. Reads come from PostgreSQL; changes go through the device's uplink
// stream, like its own, and are answered when they are committed. Thread-safe. Borrows what it is
// given.
class ShadowService final : public shadow::v1::ShadowService::WithCallbackMethod_GetShadow<
                                shadow::v1::ShadowService::Service> {
 public:
  // `anonymous_tenant` has the things that are not registered; "": nobody has them.
  ShadowService(const ApiParts& parts, ShadowReads& reads, StreamAppender& appender,
                AnswerTable& answers, const Freshness& freshness, std::string anonymous_tenant)
      : parts_(parts),
        reads_(reads),
        appender_(appender),
        answers_(answers),
        freshness_(freshness),
        anonymous_tenant_(std::move(anonymous_tenant)) {}

  grpc::ServerUnaryReactor* GetShadow(grpc::CallbackServerContext* context,
                                      const shadow::v1::GetShadowRequest* request,
                                      shadow::v1::Shadow* response) override;
  grpc::Status UpdateShadow(grpc::ServerContext* context,
                            const shadow::v1::UpdateShadowRequest* request,
                            shadow::v1::Shadow* response) override;
  grpc::Status DeleteShadow(grpc::ServerContext* context,
                            const shadow::v1::DeleteShadowRequest* request,
                            shadow::v1::DeleteShadowResponse* response) override;
  grpc::Status ListNamedShadows(grpc::ServerContext* context,
                                const shadow::v1::ListNamedShadowsRequest* request,
                                shadow::v1::ListNamedShadowsResponse* response) override;

 private:
  // The name, when the device is one of the caller's.
  absl::StatusOr<rpc::ShadowName> ReadName(const auth::Claims& claims, const std::string& name);
  absl::Status Update(const grpc::ServerContext& context, const auth::Claims& claims,
                      const shadow::v1::UpdateShadowRequest& request, shadow::v1::Shadow& response);
  absl::Status Delete(const grpc::ServerContext& context, const auth::Claims& claims,
                      const shadow::v1::DeleteShadowRequest& request,
                      shadow::v1::DeleteShadowResponse& response);
  absl::Status List(const auth::Claims& claims, const shadow::v1::ListNamedShadowsRequest& request,
                    shadow::v1::ListNamedShadowsResponse& response);
  // Appends the request and waits for its answer, no longer than the call's deadline.
  absl::StatusOr<internal::v1::ApiAnswer> Ask(const grpc::ServerContext& context,
                                              const rpc::ShadowName& name,
                                              internal::v1::UplinkMessage message);

  const ApiParts parts_;
  ShadowReads& reads_;
  StreamAppender& appender_;
  AnswerTable& answers_;
  const Freshness freshness_;
  const std::string anonymous_tenant_;
};

}  // namespace homeport::registry
