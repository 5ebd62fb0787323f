#include "services/registry/api/directory_service.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/shadow/metadata.h"
#include "services/registry/api/certificate_resolver.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/credential_table.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/model_table.h"
#include "services/registry/store/product_table.h"
#include "services/registry/store/shadow_table.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kScopes = {"service"};
constexpr int64_t kChangesMax = 1000;
constexpr int64_t kModelBytesMax = 3'500'000;  // of one answer; a model has 1 MiB at most

void Fill(const CredentialRow& row, internal::v1::DeviceCredential& out) {
  out.set_id(row.id);
  if (row.kind == kSecretKind) out.set_secret_sha256(row.data);
  if (row.kind == kPublicKeyKind) out.set_public_key(row.data);
  out.set_expires_ms(row.expires_ms);
}

// Fills them when it has read all.
absl::Status FillModels(postgres::Connection& connection, const std::string& product, int64_t after,
                        internal::v1::ProductConfig& out) {
  HP_ASSIGN_OR_RETURN(ModelPage page, ModelsOfProduct(connection, product, after, kModelBytesMax));
  for (ModelRow& model : page.models) {
    internal::v1::ModelConfig& config = *out.add_models();
    config.set_number(model.version);
    config.set_json(std::move(model.model));
  }
  out.set_more_models(page.has_more);
  return absl::OkStatus();
}

}  // namespace

grpc::Status DirectoryService::GetProductConfig(
    grpc::ServerContext* context, const internal::v1::GetProductConfigRequest* request,
    internal::v1::ProductConfig* response) {
  return Serve(
      parts_, "GetProductConfig", *context, kScopes, [&](const auth::Claims&) -> absl::Status {
        HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
        HP_ASSIGN_OR_RETURN(const ProductRow row,
                            FindProductAlone(*connection, ProductId(request->product())));
        response->set_product(row.id);
        response->set_tenant(row.tenant);
        response->set_revision(fmt::format("{}.{}", row.version, row.updated_ms));
        response->set_model_version(row.model_version);
        response->set_fleet_key(row.fleet_key);
        HP_ASSIGN_OR_RETURN(const bool has_room, HasRoomForDevices(*connection, row.tenant));
        response->set_allow_unregistered(row.allow_unregistered && has_room);
        response->set_is_hub(row.is_hub);
        if (!row.topic_policy.empty()) {
          response->mutable_topic_policy()->ParseFromString(row.topic_policy);
        }
        if (response->revision() == request->known_revision()) return absl::OkStatus();
        return FillModels(*connection, row.id, request->models_after(), *response);
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
                 response->set_disabled(row.blocked());
                 HP_ASSIGN_OR_RETURN(const std::vector<CredentialRow> credentials,
                                     ListCredentials(*connection, row.id));
                 for (const CredentialRow& credential : credentials) {
                   Fill(credential, *response->add_credentials());
                 }
                 HP_ASSIGN_OR_RETURN(const StoredPresence stored,
                                     FindPresence(*connection, DeviceId(request->device()),
                                                  freshness_.PartitionOf(request->device())));
                 response->set_hub(stored.hub);
                 response->set_model_version(stored.model_version);
                 return absl::OkStatus();
               });
}

grpc::Status DirectoryService::ResolveCertificate(
    grpc::ServerContext* context, const internal::v1::ResolveCertificateRequest* request,
    internal::v1::CertificateConfig* response) {
  return Serve(parts_, "ResolveCertificate", *context, kScopes,
               [&](const auth::Claims&) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 HP_ASSIGN_OR_RETURN(
                     *response, registry::ResolveCertificate(*connection, *request, clock_.Wall()));
                 return absl::OkStatus();
               });
}

grpc::Status DirectoryService::ListChanges(grpc::ServerContext* context,
                                           const internal::v1::ListChangesRequest* request,
                                           internal::v1::ListChangesResponse* response) {
  return Serve(parts_, "ListChanges", *context, kScopes, [&](const auth::Claims&) -> absl::Status {
    HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
    HP_ASSIGN_OR_RETURN(Changes changes,
                        registry::ListChanges(*connection, request->after(), kChangesMax));
    response->set_last(changes.last);
    response->set_reset(!changes.complete);
    for (DirectoryChange& change : changes.changes) {
      *response->add_changes() = std::move(change);
    }
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
  HP_ASSIGN_OR_RETURN(const StoredPresence stored,
                      FindPresence(*connection, device, freshness_.PartitionOf(request.device())));
  HP_ASSIGN_OR_RETURN(const shadow::Document document, FindShadow(*connection, device, ""));
  response.set_device(request.device());
  response.set_product(stored.product);
  response.set_model_version(stored.model_version);
  response.set_tenant(stored.tenant);
  response.set_online(stored.online);
  response.set_last_seen_ms(LastSeenMs(stored));
  response.set_stale(!stored.online || freshness_.IsStale(stored));
  response.set_version(document.version);
  json::Print(document.reported.state, *response.mutable_reported_json());
  shadow::AppendMetadata(document.reported.state, document.reported.times,
                         *response.mutable_reported_metadata_json());
  return absl::OkStatus();
}

}  // namespace homeport::registry
