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
#include "services/registry/api/mutation.h"
#include "services/registry/api/page.h"
#include "services/registry/api/page_token.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

using tenant::v1::Tenant;

constexpr std::string_view kPlatform = "platform";
const std::initializer_list<std::string_view> kPlatformOnly = {kPlatform};
const std::initializer_list<std::string_view> kReaders = {kPlatform, "operator", "user"};
constexpr size_t kNameBytesMax = 256;
constexpr std::string_view kList = "tenants";

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

void Copy(const Tenant& tenant, TenantRow& row) {
  row.display_name = tenant.display_name();
  row.kind = tenant.kind();
  row.devices_max = tenant.quota().devices();
  row.products_max = tenant.quota().products();
}

absl::Status MergePath(const Tenant& tenant, const std::string& path, TenantRow& row) {
  constexpr std::string_view kOutputOnly[] = {"name", "usage", "create_time", "update_time",
                                              "etag"};
  if (path == "*") {
    Copy(tenant, row);
  } else if (path == "display_name") {
    row.display_name = tenant.display_name();
  } else if (path == "kind") {
    row.kind = tenant.kind();
  } else if (path == "quota") {
    row.devices_max = tenant.quota().devices();
    row.products_max = tenant.quota().products();
  } else if (path == "quota.devices") {
    row.devices_max = tenant.quota().devices();
  } else if (path == "quota.products") {
    row.products_max = tenant.quota().products();
  } else if (std::find(std::begin(kOutputOnly), std::end(kOutputOnly), path) ==
             std::end(kOutputOnly)) {
    return FieldInvalid("update_mask", fmt::format("no field \"{}\"", path));
  }
  return absl::OkStatus();
}

absl::Status Merge(const tenant::v1::UpdateTenantRequest& request, TenantRow& row) {
  const Tenant& tenant = request.tenant();
  for (const std::string& path : request.update_mask().paths()) {
    HP_RETURN_IF_ERROR(MergePath(tenant, path, row));
  }
  if (!request.update_mask().paths().empty()) return absl::OkStatus();
  if (!tenant.display_name().empty()) row.display_name = tenant.display_name();
  if (tenant.kind() != Tenant::KIND_UNSPECIFIED) row.kind = tenant.kind();
  if (tenant.has_quota()) {
    row.devices_max = tenant.quota().devices();
    row.products_max = tenant.quota().products();
  }
  return absl::OkStatus();
}

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
    Copy(request.tenant(), row);
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
               [&](const auth::Claims&) { return List(*request, *response); });
}

absl::Status TenantService::List(const tenant::v1::ListTenantsRequest& request,
                                 tenant::v1::ListTenantsResponse& response) {
  HP_ASSIGN_OR_RETURN(const int64_t size, ReadPageSize(request.page_size()));
  HP_ASSIGN_OR_RETURN(const std::vector<std::string> behind,
                      ReadPageToken(request.page_token(), kList, 1));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(
      const std::vector<TenantRow> rows,
      registry::ListTenants(*connection, behind.empty() ? "" : behind.front(), size + 1));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(size));
  for (size_t i = 0; i < shown; ++i) Fill(rows[i], *response.add_tenants());
  if (shown < rows.size()) {
    response.set_next_page_token(MakePageToken(kList, {rows[shown - 1].id}));
  }
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
    HP_RETURN_IF_ERROR(Merge(request, row));
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
