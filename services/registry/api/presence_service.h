#pragma once

#include "homeport/presence/v1/presence.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/api/freshness.h"

namespace homeport::registry {

// The gRPC PresenceService. Thread-safe.
class PresenceService final : public presence::v1::PresenceService::Service {
 public:
  PresenceService(const ApiParts& parts, const Freshness& freshness)
      : parts_(parts), freshness_(freshness) {}

  grpc::Status GetPresence(grpc::ServerContext* context,
                           const presence::v1::GetPresenceRequest* request,
                           presence::v1::Presence* response) override;

 private:
  absl::Status Get(const auth::Claims& claims, const std::string& name,
                   presence::v1::Presence& response);

  const ApiParts parts_;
  const Freshness freshness_;
};

}  // namespace homeport::registry
