#include "services/registry/api/directory_service.h"

#include "libs/base/status.h"
#include "libs/json/print.h"
#include "libs/shadow/metadata.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/shadow_table.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kScopes = {"service"};

}  // namespace

grpc::Status DirectoryService::GetProductConfig(
    grpc::ServerContext* context, const internal::v1::GetProductConfigRequest* request,
    internal::v1::ProductConfig* response) {
  return Serve(
      parts_, "GetProductConfig", *context, kScopes, [&](const auth::Claims&) -> absl::Status {
        HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
        HP_ASSIGN_OR_RETURN(const ProductRow row,
                            FindProduct(*connection, ProductId(request->product())));
        response->set_product(row.id);
        response->set_tenant(row.tenant);
        response->set_model_json(row.model);
        response->set_fleet_key(row.fleet_key);
        HP_ASSIGN_OR_RETURN(const bool has_room, HasRoomForDevices(*connection, row.tenant));
        response->set_allow_unregistered(row.allow_unregistered && has_room);
        response->set_version(row.version);
        return absl::OkStatus();
      });
}

grpc::Status DirectoryService::GetDeviceConfig(grpc::ServerContext* context,
                                               const internal::v1::GetDeviceConfigRequest* request,
                                               internal::v1::DeviceConfig* response) {
  return Serve(parts_, "GetDeviceConfig", *context, kScopes,
               [&](const auth::Claims&) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 HP_ASSIGN_OR_RETURN(const DeviceRow row,
                                     FindDevice(*connection, DeviceId(request->device())));
                 response->set_device(row.id);
                 response->set_product(row.product);
                 response->set_tenant(row.tenant);
                 response->set_secret_sha256(row.secret_sha256);
                 response->set_disabled(row.blocked());
                 return absl::OkStatus();
               });
}

grpc::Status DirectoryService::GetState(grpc::ServerContext* context,
                                        const internal::v1::GetStateRequest* request,
                                        internal::v1::DeviceState* response) {
  return Serve(parts_, "GetState", *context, kScopes,
               [&](const auth::Claims&) { return FindState(*request, *response); });
}

absl::Status DirectoryService::FindState(const internal::v1::GetStateRequest& request,
                                         internal::v1::DeviceState& response) {
  const DeviceId device(request.device());
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const DeviceRow row, FindDevice(*connection, device));
  HP_ASSIGN_OR_RETURN(const shadow::Document document, FindShadow(*connection, device, ""));
  response.set_device(row.id);
  response.set_product(row.product);
  response.set_tenant(row.tenant);
  response.set_online(row.online);
  response.set_version(document.version);
  json::Print(document.reported.state, *response.mutable_reported_json());
  shadow::AppendMetadata(document.reported.state, document.reported.times,
                         *response.mutable_reported_metadata_json());
  return absl::OkStatus();
}

}  // namespace homeport::registry
