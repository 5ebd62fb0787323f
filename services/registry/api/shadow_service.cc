#include "services/registry/api/shadow_service.h"

#include <string>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "services/registry/api/ask.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"
#include "services/registry/core/shadow_json.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/shadow_table.h"

namespace homeport::registry {
namespace {

using internal::v1::ApiAnswer;
using internal::v1::UplinkMessage;

const std::initializer_list<std::string_view> kScopes = {"user", "operator"};
// As AWS's ListNamedShadowsForThing has them.
constexpr PageSizes kPages = {.size = 25, .size_max = 100};
constexpr std::string_view kVersionMismatch = "SHADOW_VERSION_MISMATCH";

absl::Status InvalidRequest(std::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "SHADOW_REQUEST_INVALID", message);
}

absl::Status StatusOf(const ApiAnswer& answer) {
  switch (answer.code()) {
    case 200:
      return absl::OkStatus();
    case 400:
    case 415:
      return InvalidRequest(answer.message());
    case 404:
      return ErrorWithReason(absl::StatusCode::kNotFound, "SHADOW_NOT_FOUND", answer.message());
    case 409:
      return ErrorWithReason(absl::StatusCode::kAborted, kVersionMismatch, answer.message());
    case 429:
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, "SHADOW_LOOP", answer.message());
    case 413:
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, "SHADOW_TOO_LARGE",
                             answer.message());
    default:
      return absl::InternalError(answer.message());
  }
}

// The request document of the shadow topics. The state is checked to be JSON, so that it cannot
// reach outside its place.
absl::StatusOr<std::string> RequestDocument(const shadow::v1::UpdateShadowRequest& request) {
  if (!json::Parse(request.state_json(), {.depth_max = 16, .bytes_max = 256 * 1024}).ok()) {
    return InvalidRequest("state_json is not a usable JSON text");
  }
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag(), kVersionMismatch));
  if (version == 0) return fmt::format(R"({{"state":{}}})", request.state_json());
  return fmt::format(R"({{"state":{},"version":{}}})", request.state_json(), version);
}

std::string NameOf(const rpc::ShadowName& name) {
  return rpc::FormatShadowName(name.tenant.str(), name.device.str(), name.shadow);
}

// A name of the caller's tenant.
absl::StatusOr<rpc::ShadowName> ReadOwnName(const rpc::CallAuth& auth,
                                            const grpc::ServerContextBase& context,
                                            const std::string& name) {
  HP_ASSIGN_OR_RETURN(const auth::Claims claims, auth.Authorize(context, kScopes));
  HP_ASSIGN_OR_RETURN(rpc::ShadowName parsed, rpc::ParseShadowName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return parsed;
}

absl::Status FillShadow(const rpc::ShadowName& name, const absl::StatusOr<DeviceShadow>& found,
                        std::string_view anonymous_tenant, const Freshness& freshness,
                        shadow::v1::Shadow& response) {
  HP_RETURN_IF_ERROR(found.status());
  const std::string_view tenant = found->tenant.empty() ? anonymous_tenant : found->tenant;
  if (tenant != name.tenant.str()) return rpc::PermissionDenied(NameOf(name));
  const shadow::Document& document = found->document;
  if (!document.exists()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "SHADOW_NOT_FOUND", "no such shadow");
  }
  response.set_name(NameOf(name));
  response.set_state_json(StateJson(document));
  response.set_metadata_json(MetadataJson(document));
  response.set_version(document.version);
  response.set_etag(std::to_string(document.version));
  response.set_online(found->online);
  response.set_stale(freshness.IsStale(found->caught_up_ms));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<rpc::ShadowName> ShadowService::ReadName(const auth::Claims& claims,
                                                        const std::string& name) {
  HP_ASSIGN_OR_RETURN(rpc::ShadowName parsed, rpc::ParseShadowName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const absl::Status found = FindDevice(*connection, parsed.tenant, parsed.device).status();
  const bool is_anonymous = absl::IsNotFound(found) && parsed.tenant.str() == anonymous_tenant_;
  if (is_anonymous) return parsed;
  if (absl::IsNotFound(found)) return rpc::PermissionDenied(name);
  HP_RETURN_IF_ERROR(found);
  return parsed;
}

grpc::ServerUnaryReactor* ShadowService::GetShadow(grpc::CallbackServerContext* context,
                                                   const shadow::v1::GetShadowRequest* request,
                                                   shadow::v1::Shadow* response) {
  grpc::ServerUnaryReactor* const call = context->DefaultReactor();
  const auto answer = [this, call](const absl::Status& status) {
    Answer(parts_, "GetShadow", *call, status);
  };
  const absl::StatusOr<rpc::ShadowName> name = ReadOwnName(parts_.auth, *context, request->name());
  if (!name.ok()) {
    answer(name.status());
    return call;
  }
  const bool taken =
      reads_.Find({name->device, name->shadow, freshness_.PartitionOf(name->device.str())},
                  [this, name = *name, response, answer](const auto& found) {
                    answer(FillShadow(name, found, anonymous_tenant_, freshness_, *response));
                  });
  if (!taken) answer(TooManyReads(parts_));
  return call;
}

absl::StatusOr<ApiAnswer> ShadowService::Ask(const grpc::ServerContext& context,
                                             const rpc::ShadowName& name, UplinkMessage message) {
  message.set_device(name.device.str());
  message.set_detail(name.shadow);
  return AskOwner(context, appender_, answers_, std::move(message));
}

grpc::Status ShadowService::UpdateShadow(grpc::ServerContext* context,
                                         const shadow::v1::UpdateShadowRequest* request,
                                         shadow::v1::Shadow* response) {
  return Serve(parts_, "UpdateShadow", *context, kScopes, [&](const auth::Claims& claims) {
    return Update(*context, claims, *request, *response);
  });
}

absl::Status ShadowService::Update(const grpc::ServerContext& context, const auth::Claims& claims,
                                   const shadow::v1::UpdateShadowRequest& request,
                                   shadow::v1::Shadow& response) {
  HP_ASSIGN_OR_RETURN(const rpc::ShadowName name, ReadName(claims, request.name()));
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_SHADOW_UPDATE);
  HP_ASSIGN_OR_RETURN(*message.mutable_payload(), RequestDocument(request));
  HP_ASSIGN_OR_RETURN(const ApiAnswer answer, Ask(context, name, std::move(message)));
  HP_RETURN_IF_ERROR(StatusOf(answer));
  response.set_name(NameOf(name));
  response.set_state_json(answer.state_json());
  response.set_metadata_json(answer.metadata_json());
  response.set_version(answer.version());
  response.set_etag(std::to_string(answer.version()));
  response.set_online(answer.online());
  return absl::OkStatus();
}

grpc::Status ShadowService::DeleteShadow(grpc::ServerContext* context,
                                         const shadow::v1::DeleteShadowRequest* request,
                                         shadow::v1::DeleteShadowResponse* response) {
  return Serve(parts_, "DeleteShadow", *context, kScopes, [&](const auth::Claims& claims) {
    return Delete(*context, claims, *request, *response);
  });
}

absl::Status ShadowService::Delete(const grpc::ServerContext& context, const auth::Claims& claims,
                                   const shadow::v1::DeleteShadowRequest& request,
                                   shadow::v1::DeleteShadowResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::ShadowName name, ReadName(claims, request.name()));
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag(), kVersionMismatch));
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_SHADOW_DELETE);
  if (version != 0) message.set_payload(fmt::format(R"({{"version":{}}})", version));
  HP_ASSIGN_OR_RETURN(const ApiAnswer answer, Ask(context, name, std::move(message)));
  HP_RETURN_IF_ERROR(StatusOf(answer));
  response.set_version(answer.version());
  return absl::OkStatus();
}

grpc::Status ShadowService::ListNamedShadows(grpc::ServerContext* context,
                                             const shadow::v1::ListNamedShadowsRequest* request,
                                             shadow::v1::ListNamedShadowsResponse* response) {
  return Serve(parts_, "ListNamedShadows", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status ShadowService::List(const auth::Claims& claims,
                                 const shadow::v1::ListNamedShadowsRequest& request,
                                 shadow::v1::ListNamedShadowsResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName device,
                      rpc::ParseDeviceName(request.parent(), claims.tenant));
  const std::string classic = rpc::FormatShadowName(device.tenant.str(), device.device.str(), "");
  HP_ASSIGN_OR_RETURN(const rpc::ShadowName name, ReadName(claims, classic));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request, kPages));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(
      const std::vector<NamedShadow> shadows,
      registry::ListNamedShadows(*connection, name.device, page.after(), page.size + 1));
  const auto fill = [&](const NamedShadow& row) {
    shadow::v1::Shadow& shadow = *response.add_shadows();
    shadow.set_name(rpc::FormatShadowName(name.tenant.str(), name.device.str(), row.name));
    shadow.set_version(row.version);
    shadow.set_etag(std::to_string(row.version));
  };
  FillPage(page, shadows, response, fill,
           [](const NamedShadow& row) { return std::vector{row.name}; });
  return absl::OkStatus();
}

}  // namespace homeport::registry
