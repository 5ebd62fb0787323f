#include "services/registry/api/topology_service.h"

#include <utility>

#include "libs/auth/credentials.h"
#include "libs/base/ids.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/ask.h"
#include "services/registry/api/page.h"
#include "services/registry/core/links.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {
namespace {

using internal::v1::ApiAnswer;
using internal::v1::UplinkMessage;

const std::initializer_list<std::string_view> kWriters = {"operator"};
const std::initializer_list<std::string_view> kReaders = {"operator", "user"};

absl::Status StatusOf(const ApiAnswer& answer) {
  switch (answer.code()) {
    case 200:
      return absl::OkStatus();
    case 404:
      return ErrorWithReason(absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND", answer.message());
    case 429:
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, "QUOTA_EXCEEDED",
                             answer.message());
    default:
      return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "CHILD_CONFLICT",
                             answer.message());
  }
}

// The hub, when it is one of the caller's.
absl::StatusOr<rpc::DeviceName> ReadHub(const auth::Claims& claims, const std::string& parent) {
  HP_ASSIGN_OR_RETURN(rpc::DeviceName name, rpc::ParseDeviceName(parent, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, name.tenant.str()));
  return name;
}

absl::StatusOr<int64_t> SilenceOf(const topology::v1::AttachChildRequest& request) {
  const auto silence = SilenceOfLink(request.link());
  if (!silence) return FieldInvalid("link", "not one of the known");
  if (!request.has_silence()) return *silence;
  const int64_t seconds = request.silence().seconds();
  if (seconds < kSilenceMsMin / 1000 || seconds > kSilenceMsMax / 1000) {
    return FieldInvalid("silence", "1 s to 30 days");
  }
  return seconds * 1000 + request.silence().nanos() / 1'000'000;
}

}  // namespace

absl::Status TopologyService::Ask(const grpc::ServerContext& context, UplinkMessage message) {
  HP_ASSIGN_OR_RETURN(const ApiAnswer answer,
                      AskOwner(context, appender_, answers_, std::move(message)));
  return StatusOf(answer);
}

grpc::Status TopologyService::AttachChild(grpc::ServerContext* context,
                                          const topology::v1::AttachChildRequest* request,
                                          topology::v1::AttachChildResponse*) {
  return Serve(parts_, "AttachChild", *context, kWriters,
               [&](const auth::Claims& claims) { return Attach(*context, claims, *request); });
}

absl::Status TopologyService::Attach(const grpc::ServerContext& context, const auth::Claims& claims,
                                     const topology::v1::AttachChildRequest& request) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName hub, ReadHub(claims, request.parent()));
  if (!auth::IsDeviceName(request.child_id())) {
    return FieldInvalid("child_id", "1-128 of [A-Za-z0-9:._-]");
  }
  internal::v1::Attach attach;
  HP_ASSIGN_OR_RETURN(const int64_t silence_ms, SilenceOf(request));
  if (!request.product().empty()) {
    HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                        rpc::ParseProductName(request.product(), claims.tenant));
    attach.set_product(product.product.str());
  }
  {
    HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
    HP_ASSIGN_OR_RETURN(const DeviceRow row, FindDevice(*connection, hub.tenant, hub.device));
    HP_ASSIGN_OR_RETURN(const ProductRow product, FindProduct(*connection, ProductId(row.product)));
    if (!product.is_hub) {
      return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NOT_A_HUB",
                             "the devices of the product have no children");
    }
  }
  attach.set_hub(hub.device.str());
  attach.set_tenant(hub.tenant.str());
  attach.set_link(request.link());
  attach.set_silence_ms(silence_ms);
  attach.set_may_move(request.move());
  attach.set_may_register(true);
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_ATTACH);
  message.set_device(request.child_id());
  message.set_payload(attach.SerializeAsString());
  return Ask(context, std::move(message));
}

grpc::Status TopologyService::DetachChild(grpc::ServerContext* context,
                                          const topology::v1::DetachChildRequest* request,
                                          topology::v1::DetachChildResponse*) {
  return Serve(parts_, "DetachChild", *context, kWriters,
               [&](const auth::Claims& claims) { return Detach(*context, claims, *request); });
}

absl::Status TopologyService::Detach(const grpc::ServerContext& context, const auth::Claims& claims,
                                     const topology::v1::DetachChildRequest& request) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName hub, ReadHub(claims, request.parent()));
  if (!IsValidDeviceId(request.child_id())) {
    return FieldInvalid("child_id", "1-128 of [A-Za-z0-9:._-]");
  }
  {
    HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
    HP_RETURN_IF_ERROR(FindDevice(*connection, hub.tenant, DeviceId(request.child_id())).status());
  }
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_DETACH);
  message.set_device(request.child_id());
  message.set_detail(hub.device.str());
  return Ask(context, std::move(message));
}

grpc::Status TopologyService::ListChildren(grpc::ServerContext* context,
                                           const topology::v1::ListChildrenRequest* request,
                                           topology::v1::ListChildrenResponse* response) {
  return Serve(parts_, "ListChildren", *context, kReaders,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status TopologyService::List(const auth::Claims& claims,
                                   const topology::v1::ListChildrenRequest& request,
                                   topology::v1::ListChildrenResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName hub, ReadHub(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(FindDevice(*connection, hub.tenant, hub.device).status());
  HP_ASSIGN_OR_RETURN(const std::vector<std::string> children,
                      registry::ListChildren(*connection, hub.device, page.after(), page.size + 1));
  FillPage(
      page, children, response,
      [&](const std::string& child) {
        response.add_children(rpc::FormatDeviceName(hub.tenant.str(), child));
      },
      [](const std::string& child) { return std::vector{child}; });
  return absl::OkStatus();
}

}  // namespace homeport::registry
