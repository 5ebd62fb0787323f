#include "services/registry/api/device_service.h"

#include <algorithm>

#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"
#include "services/registry/store/secrets.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kWriters = {"operator"};
const std::initializer_list<std::string_view> kReaders = {"operator", "user"};
constexpr uint32_t kAdministrativeAction = 0x98;  // MQTT 5 reason code

Actor ActorOf(const auth::Claims& claims) { return {claims.tenant, claims.subject}; }

std::string Sha256Of(const std::string& secret) {
  const auth::Sha256Digest digest = auth::Sha256(secret);
  return {digest.begin(), digest.end()};
}

absl::StatusOr<rpc::DeviceName> ReadName(const auth::Claims& claims, const std::string& name) {
  HP_ASSIGN_OR_RETURN(rpc::DeviceName parsed, rpc::ParseDeviceName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return parsed;
}

void Fill(const DeviceRow& row, device::v1::Device& out) {
  out.set_name(rpc::FormatDeviceName(row.tenant, row.id));
  out.set_product(rpc::FormatProductName(row.tenant, row.product));
  out.set_disabled(row.disabled);
  out.set_online(row.online);
  if (row.presence_ms > 0) *out.mutable_presence_time() = ToTimestamp(row.presence_ms);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
}

}  // namespace

grpc::Status DeviceService::CreateDevice(grpc::ServerContext* context,
                                         const device::v1::CreateDeviceRequest* request,
                                         device::v1::CreateDeviceResponse* response) {
  return Serve(parts_, "CreateDevice", *context, kWriters,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status DeviceService::Create(const auth::Claims& claims,
                                   const device::v1::CreateDeviceRequest& request,
                                   device::v1::CreateDeviceResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  if (!IsValidDeviceId(request.device_id())) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                           "device_id: 1-128 of [A-Za-z0-9:._-]");
  }
  HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                      rpc::ParseProductName(request.device().product(), claims.tenant));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(FindProduct(*connection, tenant, product.product).status());
  const std::string secret = MakeSecret();
  DeviceRow row;
  row.id = request.device_id();
  row.tenant = tenant.str();
  row.product = product.product.str();
  row.secret_sha256 = Sha256Of(secret);
  HP_ASSIGN_OR_RETURN(row, registry::CreateDevice(*connection, ActorOf(claims), row));
  Fill(row, *response.mutable_device());
  response.set_secret(secret);
  return absl::OkStatus();
}

grpc::Status DeviceService::GetDevice(grpc::ServerContext* context,
                                      const device::v1::GetDeviceRequest* request,
                                      device::v1::Device* response) {
  return Serve(
      parts_, "GetDevice", *context, kReaders, [&](const auth::Claims& claims) -> absl::Status {
        HP_ASSIGN_OR_RETURN(const rpc::DeviceName name, ReadName(claims, request->name()));
        HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
        HP_ASSIGN_OR_RETURN(const DeviceRow row, FindDevice(*connection, name.tenant, name.device));
        Fill(row, *response);
        return absl::OkStatus();
      });
}

grpc::Status DeviceService::ListDevices(grpc::ServerContext* context,
                                        const device::v1::ListDevicesRequest* request,
                                        device::v1::ListDevicesResponse* response) {
  return Serve(parts_, "ListDevices", *context, kReaders,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status DeviceService::List(const auth::Claims& claims,
                                 const device::v1::ListDevicesRequest& request,
                                 device::v1::ListDevicesResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<DeviceRow> rows,
                      registry::ListDevices(*connection, tenant, page.after, page.size + 1));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(page.size));
  for (size_t i = 0; i < shown; ++i) Fill(rows[i], *response.add_devices());
  if (shown < rows.size()) response.set_next_page_token(rows[shown - 1].id);
  return absl::OkStatus();
}

grpc::Status DeviceService::UpdateDevice(grpc::ServerContext* context,
                                         const device::v1::UpdateDeviceRequest* request,
                                         device::v1::Device* response) {
  return Serve(parts_, "UpdateDevice", *context, kWriters, [&](const auth::Claims& claims) {
    return Update(claims, request->device(), *response);
  });
}

absl::Status DeviceService::Update(const auth::Claims& claims, const device::v1::Device& device,
                                   device::v1::Device& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName name, ReadName(claims, device.name()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  DeviceRow row;
  row.id = name.device.str();
  row.tenant = name.tenant.str();
  row.disabled = device.disabled();
  HP_ASSIGN_OR_RETURN(row, registry::UpdateDevice(*connection, ActorOf(claims), row));
  using Blocked = StreamAppender::Blocked;
  HP_RETURN_IF_ERROR(appender_.SetBlocked(row.id, row.disabled ? Blocked::kYes : Blocked::kNo));
  if (row.disabled) {
    HP_ASSIGN_OR_RETURN(const std::vector<StoredSession> sessions,
                        FindSessionsOfDevice(*connection, row.id));
    HP_RETURN_IF_ERROR(Kick(sessions));
  }
  Fill(row, response);
  return absl::OkStatus();
}

absl::Status DeviceService::Kick(const std::vector<StoredSession>& sessions) {
  for (const StoredSession& session : sessions) {
    internal::v1::InboxItem item;
    item.mutable_kick()->set_session(session.session);
    item.mutable_kick()->set_epoch(session.epoch);
    item.mutable_kick()->set_reason(kAdministrativeAction);
    HP_RETURN_IF_ERROR(appender_.AppendInbox(session.pod, item));
  }
  return absl::OkStatus();
}

grpc::Status DeviceService::RotateSecret(grpc::ServerContext* context,
                                         const device::v1::RotateSecretRequest* request,
                                         device::v1::RotateSecretResponse* response) {
  return Serve(parts_, "RotateSecret", *context, kWriters, [&](const auth::Claims& claims) {
    return Rotate(claims, request->name(), *response->mutable_secret());
  });
}

absl::Status DeviceService::Rotate(const auth::Claims& claims, const std::string& name,
                                   std::string& secret) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName parsed, ReadName(claims, name));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(DeviceRow row, FindDevice(*connection, parsed.tenant, parsed.device));
  const std::string made = MakeSecret();
  row.secret_sha256 = Sha256Of(made);
  HP_RETURN_IF_ERROR(SetSecret(*connection, ActorOf(claims), row));
  secret = made;
  return absl::OkStatus();
}

grpc::Status DeviceService::DeleteDevice(grpc::ServerContext* context,
                                         const device::v1::DeleteDeviceRequest* request,
                                         device::v1::DeleteDeviceResponse*) {
  return Serve(parts_, "DeleteDevice", *context, kWriters,
               [&](const auth::Claims& claims) { return Delete(claims, request->name()); });
}

absl::Status DeviceService::Delete(const auth::Claims& claims, const std::string& name) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName parsed, ReadName(claims, name));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  DeviceRow row;
  row.id = parsed.device.str();
  row.tenant = parsed.tenant.str();
  HP_ASSIGN_OR_RETURN(const std::vector<StoredSession> sessions,
                      registry::DeleteDevice(*connection, ActorOf(claims), row,
                                             routing::PartitionOf(row.id, partitions_)));
  return Kick(sessions);
}

}  // namespace homeport::registry
