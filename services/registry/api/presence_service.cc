#include "services/registry/api/presence_service.h"

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kReaders = {"user", "operator"};

}  // namespace

grpc::Status PresenceService::GetPresence(grpc::ServerContext* context,
                                          const presence::v1::GetPresenceRequest* request,
                                          presence::v1::Presence* response) {
  return Serve(parts_, "GetPresence", *context, kReaders,
               [&](const auth::Claims& claims) { return Get(claims, request->name(), *response); });
}

absl::Status PresenceService::Get(const auth::Claims& claims, const std::string& name,
                                  presence::v1::Presence& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName parsed, rpc::ParseDeviceName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(
      const StoredPresence stored,
      FindPresence(*connection, parsed.device, freshness_.PartitionOf(parsed.device.str())));
  if (stored.tenant != parsed.tenant.str()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND",
                           fmt::format("no device {}", parsed.device.str()));
  }
  response.set_name(rpc::FormatDeviceName(stored.tenant, parsed.device.str()));
  response.set_online(stored.online);
  response.set_epoch(static_cast<int64_t>(stored.epoch));
  response.set_stale(freshness_.IsStale(stored));
  if (stored.presence_ms > 0) *response.mutable_change_time() = ToTimestamp(stored.presence_ms);
  *response.mutable_read_time() = ToTimestamp(stored.caught_up_ms);
  if (const int64_t seen_ms = LastSeenMs(stored); seen_ms > 0) {
    *response.mutable_last_seen_time() = ToTimestamp(seen_ms);
  }
  if (stored.hub.empty()) return absl::OkStatus();
  response.set_hub(rpc::FormatDeviceName(stored.tenant, stored.hub));
  response.set_link(stored.link);
  response.mutable_silence()->set_seconds(stored.silence_ms / 1000);
  response.mutable_silence()->set_nanos(static_cast<int32_t>(stored.silence_ms % 1000) * 1'000'000);
  return absl::OkStatus();
}

}  // namespace homeport::registry
