#include "services/registry/api/tenant_service.h"

#include <algorithm>
#include <string>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/json/utf8.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/field_mask.h"
#include "services/registry/api/mutation.h"
#include "services/registry/api/page.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

using tenant::v1::Tenant;

constexpr std::string_view kPlatform = "platform";
const std::initializer_list<std::string_view> kPlatformOnly = {kPlatform};
const std::initializer_list<std::string_view> kReaders = {kPlatform, "operator", "user"};
constexpr size_t kNameBytesMax = 256;

void Fill(const TenantRow& row, Tenant& out) {
  out.set_name(fmt::format("tenants/{}", row.id));
  out.set_display_name(row.display_name);
  out.set_kind(static_cast<Tenant::Kind>(row.kind));
  out.mutable_quota()->set_devices(row.devices_max);
  out.mutable_quota()->set_products(row.products_max);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  *out.mutable_update_time() = ToTimestamp(row.updated_ms);
  out.set_etag(std::to_string(row.version));
}

absl::Status Check(const Tenant& tenant) {
  const std::string& name = tenant.display_name();
  const bool plain = json::IsUtf8(name) && std::none_of(name.begin(), name.end(), [](char c) {
                       return static_cast<unsigned char>(c) < 0x20;
                     });
  if (name.size() > kNameBytesMax || !plain) {
    return FieldInvalid("tenant.display_name", "at most 256 bytes of plain text");
  }
  if (!Tenant::Kind_IsValid(tenant.kind())) return FieldInvalid("tenant.kind", "no such kind");
  if (tenant.quota().devices() < 0) return FieldInvalid("tenant.quota.devices", "negative");
  if (tenant.quota().products() < 0) return FieldInvalid("tenant.quota.products", "negative");
  return absl::OkStatus();
}

constexpr UpdateField<Tenant, TenantRow> kFields[] = {
    {"display_name", [](const Tenant& tenant) { return !tenant.display_name().empty(); },
     [](const Tenant& tenant, TenantRow& row) { row.display_name = tenant.display_name(); }},
    {"kind", [](const Tenant& tenant) { return tenant.kind() != Tenant::KIND_UNSPECIFIED; },
     [](const Tenant& tenant, TenantRow& row) { row.kind = tenant.kind(); }},
    {"quota.devices", [](const Tenant& tenant) { return tenant.has_quota(); },
     [](const Tenant& tenant, TenantRow& row) { row.devices_max = tenant.quota().devices(); }},
    {"quota.products", [](const Tenant& tenant) { return tenant.has_quota(); },
     [](const Tenant& tenant, TenantRow& row) { row.products_max = tenant.quota().products(); }},
};

std::string AuditText(const TenantRow& row) {
  std::string text = R"({"display_name":)";
  json::PrintString(row.display_name, text);
  return text + fmt::format(R"(,"kind":{},"quota":{{"devices":{},"products":{}}}}})", row.kind,
                            row.devices_max, row.products_max);
}

// The change stands in the log of the tenant it concerns.
Actor ActorIn(const TenantId& tenant, const auth::Claims& claims) {
  return {tenant.str(), claims.subject};
}

}  // namespace

grpc::Status TenantService::CreateTenant(grpc::ServerContext* context,
                                         const tenant::v1::CreateTenantRequest* request,
                                         Tenant* response) {
  return Serve(parts_, "CreateTenant", *context, kPlatformOnly,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status TenantService::Create(const auth::Claims& claims,
                                   const tenant::v1::CreateTenantRequest& request,
                                   Tenant& response) {
  if (!IsValidTenantId(request.tenant_id())) return FieldInvalid("tenant_id", "1-63 of [a-z0-9-]");
  HP_RETURN_IF_ERROR(Check(request.tenant()));
  const TenantId id(request.tenant_id());
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto create = [&](postgres::Transaction& transaction, Tenant& created) -> absl::Status {
    TenantRow row;
    row.id = id.str();
    CopyFields(request.tenant(), kFields, row);
    HP_ASSIGN_OR_RETURN(row, registry::CreateTenant(transaction, row));
    Fill(row, created);
    return Audit(transaction, ActorIn(id, claims), "CreateTenant", "",
                 {.before = {}, .after = AuditText(row)});
  };
  return Change(*connection, ActorOf(claims), "CreateTenant", request, response, create);
}

grpc::Status TenantService::GetTenant(grpc::ServerContext* context,
                                      const tenant::v1::GetTenantRequest* request,
                                      Tenant* response) {
  return Serve(parts_, "GetTenant", *context, kReaders,
               [&](const auth::Claims& claims) { return Get(claims, request->name(), *response); });
}

absl::Status TenantService::Get(const auth::Claims& claims, const std::string& name,
                                Tenant& response) {
  HP_ASSIGN_OR_RETURN(const TenantId id, rpc::ParseTenantName(name, claims.tenant));
  if (!claims.HasScope(kPlatform)) HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, id.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const TenantRow row, FindTenant(*connection, id));
  HP_ASSIGN_OR_RETURN(const TenantUsage usage, FindUsage(*connection, id));
  Fill(row, response);
  response.mutable_usage()->set_devices(usage.devices);
  response.mutable_usage()->set_products(usage.products);
  return absl::OkStatus();
}

grpc::Status TenantService::ListTenants(grpc::ServerContext* context,
                                        const tenant::v1::ListTenantsRequest* request,
                                        tenant::v1::ListTenantsResponse* response) {
  return Serve(parts_, "ListTenants", *context, kPlatformOnly,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status TenantService::List(const auth::Claims& claims,
                                 const tenant::v1::ListTenantsRequest& request,
                                 tenant::v1::ListTenantsResponse& response) {
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<TenantRow> rows,
                      registry::ListTenants(*connection, page.after(), page.size + 1));
  FillPage(
      page, rows, response, [&](const TenantRow& row) { Fill(row, *response.add_tenants()); },
      [](const TenantRow& row) { return std::vector{row.id}; });
  return absl::OkStatus();
}

grpc::Status TenantService::UpdateTenant(grpc::ServerContext* context,
                                         const tenant::v1::UpdateTenantRequest* request,
                                         Tenant* response) {
  return Serve(parts_, "UpdateTenant", *context, kPlatformOnly,
               [&](const auth::Claims& claims) { return Update(claims, *request, *response); });
}

absl::Status TenantService::Update(const auth::Claims& claims,
                                   const tenant::v1::UpdateTenantRequest& request,
                                   Tenant& response) {
  HP_ASSIGN_OR_RETURN(const TenantId id,
                      rpc::ParseTenantName(request.tenant().name(), claims.tenant));
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.tenant().etag(), "ETAG_MISMATCH"));
  HP_RETURN_IF_ERROR(Check(request.tenant()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto update = [&](postgres::Transaction& transaction, Tenant& updated) -> absl::Status {
    HP_ASSIGN_OR_RETURN(TenantRow row, LockTenant(transaction, id, version));
    const std::string before = AuditText(row);
    HP_RETURN_IF_ERROR(MergeFields(request.tenant(), request.update_mask(), kFields, row));
    HP_ASSIGN_OR_RETURN(row, WriteTenant(transaction, row));
    Fill(row, updated);
    return Audit(transaction, ActorIn(id, claims), "UpdateTenant", "",
                 {.before = before, .after = AuditText(row)});
  };
  return Change(*connection, ActorOf(claims), "UpdateTenant", request, response, update);
}

grpc::Status TenantService::DeleteTenant(grpc::ServerContext* context,
                                         const tenant::v1::DeleteTenantRequest* request,
                                         tenant::v1::DeleteTenantResponse* response) {
  return Serve(parts_, "DeleteTenant", *context, kPlatformOnly,
               [&](const auth::Claims& claims) { return Delete(claims, *request, *response); });
}

absl::Status TenantService::Delete(const auth::Claims& claims,
                                   const tenant::v1::DeleteTenantRequest& request,
                                   tenant::v1::DeleteTenantResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId id, rpc::ParseTenantName(request.name(), claims.tenant));
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag(), "ETAG_MISMATCH"));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto remove = [&](postgres::Transaction& transaction,
                          tenant::v1::DeleteTenantResponse&) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const TenantRow row, LockTenant(transaction, id, version));
    HP_RETURN_IF_ERROR(registry::DeleteTenant(transaction, id));
    return Audit(transaction, ActorIn(id, claims), "DeleteTenant", "",
                 {.before = AuditText(row), .after = {}});
  };
  return Change(*connection, ActorOf(claims), "DeleteTenant", request, response, remove);
}

}  // namespace homeport::registry
