#include "services/registry/api/device_service.h"

#include <algorithm>
#include <utility>

#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/api/device_fields.h"
#include "services/registry/api/page.h"
#include "services/registry/api/page_token.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/secrets.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kWriters = {"operator"};
const std::initializer_list<std::string_view> kReaders = {"operator", "user"};

std::string Sha256Of(const std::string& secret) {
  const auth::Sha256Digest digest = auth::Sha256(secret);
  return {digest.begin(), digest.end()};
}

absl::StatusOr<TenantId> ReadParent(const auth::Claims& claims, const std::string& parent) {
  HP_ASSIGN_OR_RETURN(TenantId tenant, rpc::ParseTenantName(parent, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  return tenant;
}

// What a page token is bound to.
std::string ListOf(const TenantId& tenant, const device::v1::ListDevicesRequest& request) {
  return fmt::format("devices\n{}\n{}\n{}\n{}", tenant.str(), request.show_deleted(),
                     request.order_by(), request.filter());
}

struct DeviceList {
  DeviceSearch search;
  std::string bound_to;  // what its page tokens are
};

absl::StatusOr<DeviceList> ReadList(const rpc::CallAuth& auth,
                                    const grpc::ServerContextBase& context,
                                    const device::v1::ListDevicesRequest& request) {
  HP_ASSIGN_OR_RETURN(const auth::Claims claims, auth.Authorize(context, kReaders));
  DeviceList list;
  DeviceSearch& search = list.search;
  HP_ASSIGN_OR_RETURN(search.tenant, ReadParent(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(search.limit, ReadPageSize(request.page_size()));
  HP_ASSIGN_OR_RETURN(search.filter, filter::Parse(request.filter()));
  HP_ASSIGN_OR_RETURN(search.order, filter::ParseOrder(request.order_by(), DeviceSchema()));
  search.deleted_too = request.show_deleted();
  list.bound_to = ListOf(search.tenant, request);
  HP_ASSIGN_OR_RETURN(search.behind,
                      ReadPageToken(request.page_token(), list.bound_to, search.order.size()));
  return list;
}

void FillList(const DeviceList& list, const FoundDevices& found,
              device::v1::ListDevicesResponse& response) {
  const size_t shown = std::min(found.rows.size(), static_cast<size_t>(list.search.limit));
  response.mutable_devices()->Reserve(static_cast<int>(shown));
  for (size_t i = 0; i < shown; ++i) FillDevice(found.rows[i], *response.add_devices());
  if (shown == found.rows.size()) return;
  response.set_next_page_token(MakePageToken(list.bound_to, found.last_keys));
}

}  // namespace

absl::StatusOr<rpc::DeviceName> ReadDeviceName(const auth::Claims& claims,
                                               const std::string& name) {
  HP_ASSIGN_OR_RETURN(rpc::DeviceName parsed, rpc::ParseDeviceName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return parsed;
}

grpc::Status DeviceService::CreateDevice(grpc::ServerContext* context,
                                         const device::v1::CreateDeviceRequest* request,
                                         device::v1::CreateDeviceResponse* response) {
  return Serve(parts_, "CreateDevice", *context, kWriters,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status DeviceService::Create(const auth::Claims& claims,
                                   const device::v1::CreateDeviceRequest& request,
                                   device::v1::CreateDeviceResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, ReadParent(claims, request.parent()));
  if (!auth::IsDeviceName(request.device_id())) {
    return FieldInvalid("device_id", "1-128 of [A-Za-z0-9:._-], not beginning with \"claim:\"");
  }
  HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                      rpc::ParseProductName(request.device().product(), claims.tenant));
  HP_RETURN_IF_ERROR(CheckDevice(request.device()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(FindProduct(*connection, tenant, product.product).status());
  const auto create = [&](postgres::Transaction& transaction,
                          device::v1::CreateDeviceResponse& created) -> absl::Status {
    const std::string secret = MakeSecret();
    DeviceRow row;
    row.id = request.device_id();
    row.tenant = tenant.str();
    row.product = product.product.str();
    row.secret_sha256 = Sha256Of(secret);
    CopyDevice(request.device(), row);
    HP_ASSIGN_OR_RETURN(row, registry::CreateDevice(transaction, row));
    FillDevice(row, *created.mutable_device());
    created.set_secret(secret);
    return Audit(transaction, ActorOf(claims), "CreateDevice", "devices/" + row.id,
                 {.before = {}, .after = AuditText(row)});
  };
  return Change(*connection, ActorOf(claims), "CreateDevice", request, response, create);
}

grpc::Status DeviceService::GetDevice(grpc::ServerContext* context,
                                      const device::v1::GetDeviceRequest* request,
                                      device::v1::Device* response) {
  return Serve(
      parts_, "GetDevice", *context, kReaders, [&](const auth::Claims& claims) -> absl::Status {
        HP_ASSIGN_OR_RETURN(const rpc::DeviceName name, ReadDeviceName(claims, request->name()));
        HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
        HP_ASSIGN_OR_RETURN(const DeviceRow row, FindDevice(*connection, name.tenant, name.device));
        HP_ASSIGN_OR_RETURN(
            const StoredPresence presence,
            FindPresence(*connection, name.device, freshness_.PartitionOf(name.device.str())));
        FillDevice(row, *response);
        response->set_stale(freshness_.IsStale(presence));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* DeviceService::ListDevices(grpc::CallbackServerContext* context,
                                                     const device::v1::ListDevicesRequest* request,
                                                     device::v1::ListDevicesResponse* response) {
  grpc::ServerUnaryReactor* const call = context->DefaultReactor();
  const auto answer = [this, call](const absl::Status& status) {
    Answer(parts_, "ListDevices", *call, status);
  };
  const absl::StatusOr<DeviceList> list = ReadList(parts_.auth, *context, *request);
  if (!list.ok()) {
    answer(list.status());
    return call;
  }
  PageReads& reads = IsPlain(list->search) ? reads_.pages : reads_.searches;
  const bool taken = reads.Find(list->search, [list = *list, response, answer](const auto& found) {
    if (found.ok()) FillList(list, *found, *response);
    answer(found.status());
  });
  if (!taken) answer(TooManyReads(parts_));
  return call;
}

grpc::Status DeviceService::RotateSecret(grpc::ServerContext* context,
                                         const device::v1::RotateSecretRequest* request,
                                         device::v1::RotateSecretResponse* response) {
  return Serve(parts_, "RotateSecret", *context, kWriters,
               [&](const auth::Claims& claims) { return Rotate(claims, *request, *response); });
}

absl::Status DeviceService::Rotate(const auth::Claims& claims,
                                   const device::v1::RotateSecretRequest& request,
                                   device::v1::RotateSecretResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName name, ReadDeviceName(claims, request.name()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto rotate = [&](postgres::Transaction& transaction,
                          device::v1::RotateSecretResponse& rotated) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const DeviceRow row, LockDevice(transaction, name.tenant, name.device, 0));
    rotated.set_secret(MakeSecret());
    HP_RETURN_IF_ERROR(SetSecret(transaction, row.id, Sha256Of(rotated.secret())));
    return Audit(transaction, ActorOf(claims), "RotateSecret", "devices/" + row.id);
  };
  return Change(*connection, ActorOf(claims), "RotateSecret", request, response, rotate);
}

}  // namespace homeport::registry
