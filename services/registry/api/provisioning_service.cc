#include "services/registry/api/provisioning_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/auth/certificate.h"
#include "libs/auth/certificate_maker.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"
#include "services/registry/core/provisioning_template.h"
#include "services/registry/store/certificate_table.h"
#include "services/registry/store/template_table.h"

namespace homeport::registry {
namespace {

using provisioning::v1::Template;

const std::initializer_list<std::string_view> kScopes = {"operator"};
constexpr std::string_view kTemplates = "provisioningTemplates";
constexpr std::string_view kClaims = "claims";
constexpr size_t kTemplateNameBytesMax = 36;
constexpr std::string_view kClaimSubject = "Homeport claim certificate";

Actor ActorOf(const auth::Claims& claims) { return {claims.tenant, claims.subject}; }

absl::Status Invalid(std::string_view reason, std::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, reason, what);
}

absl::StatusOr<rpc::TenantChildName> ReadName(const auth::Claims& claims, const std::string& name,
                                              std::string_view collection) {
  HP_ASSIGN_OR_RETURN(rpc::TenantChildName parsed,
                      rpc::ParseTenantChildName(name, collection, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return parsed;
}

absl::StatusOr<TenantId> ReadParent(const auth::Claims& claims, const std::string& parent) {
  HP_ASSIGN_OR_RETURN(TenantId tenant, rpc::ParseTenantName(parent, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  return tenant;
}

void Fill(const TemplateRow& row, Template& out) {
  out.set_name(rpc::FormatTenantChildName(row.tenant, kTemplates, row.name));
  out.set_body_json(row.body);
  out.set_product(rpc::FormatProductName(row.tenant, row.product));
  out.set_disabled(row.disabled);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
}

void Fill(const CertificateRow& row, provisioning::v1::Claim& out) {
  out.set_name(rpc::FormatTenantChildName(row.tenant, kClaims, row.id));
  out.set_pem(row.pem);
  out.set_template_(rpc::FormatTenantChildName(row.tenant, kTemplates, row.template_name));
  out.set_revoked(row.state == CertificateRow::State::kRevoked);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  *out.mutable_expire_time() = ToTimestamp(row.not_after_ms);
}

// The row that a template asks for, its body and its product checked.
absl::StatusOr<TemplateRow> ReadTemplate(postgres::Connection& connection,
                                         const auth::Claims& claims, const TenantId& tenant,
                                         const Template& wanted) {
  const absl::Status parsed = ProvisioningTemplate::Parse(wanted.body_json()).status();
  if (!parsed.ok()) return Invalid("TEMPLATE_INVALID", Message(parsed));
  HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                      rpc::ParseProductName(wanted.product(), claims.tenant));
  HP_RETURN_IF_ERROR(FindProduct(connection, tenant, product.product).status());
  TemplateRow row;
  row.tenant = tenant.str();
  row.body = wanted.body_json();
  row.product = product.product.str();
  row.disabled = wanted.disabled();
  return row;
}

}  // namespace

grpc::Status ProvisioningService::CreateTemplate(
    grpc::ServerContext* context, const provisioning::v1::CreateTemplateRequest* request,
    Template* response) {
  return Serve(parts_, "CreateTemplate", *context, kScopes,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status ProvisioningService::Create(const auth::Claims& claims,
                                         const provisioning::v1::CreateTemplateRequest& request,
                                         Template& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, ReadParent(claims, request.parent()));
  const std::string& id = request.template_id();
  const bool named = rpc::ParseTenantChildName(
                         rpc::FormatTenantChildName(tenant.str(), kTemplates, id), kTemplates, "")
                         .ok();
  if (!named || id.size() > kTemplateNameBytesMax) {
    return Invalid("FIELD_INVALID", "template_id: 1-36 of [0-9A-Za-z_-]");
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(TemplateRow row,
                      ReadTemplate(*connection, claims, tenant, request.template_()));
  row.name = id;
  HP_ASSIGN_OR_RETURN(row, registry::CreateTemplate(*connection, ActorOf(claims), row));
  Fill(row, response);
  return absl::OkStatus();
}

grpc::Status ProvisioningService::GetTemplate(grpc::ServerContext* context,
                                              const provisioning::v1::GetTemplateRequest* request,
                                              Template* response) {
  return Serve(parts_, "GetTemplate", *context, kScopes,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name,
                                     ReadName(claims, request->name(), kTemplates));
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 HP_ASSIGN_OR_RETURN(const TemplateRow row,
                                     FindTemplate(*connection, name.tenant.str(), name.id));
                 Fill(row, *response);
                 return absl::OkStatus();
               });
}

grpc::Status ProvisioningService::ListTemplates(
    grpc::ServerContext* context, const provisioning::v1::ListTemplatesRequest* request,
    provisioning::v1::ListTemplatesResponse* response) {
  return Serve(parts_, "ListTemplates", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status ProvisioningService::List(const auth::Claims& claims,
                                       const provisioning::v1::ListTemplatesRequest& request,
                                       provisioning::v1::ListTemplatesResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, ReadParent(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(
      const std::vector<TemplateRow> rows,
      registry::ListTemplates(*connection, tenant.str(), page.after, page.size + 1));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(page.size));
  for (size_t i = 0; i < shown; ++i) Fill(rows[i], *response.add_templates());
  if (shown < rows.size()) response.set_next_page_token(rows[shown - 1].name);
  return absl::OkStatus();
}

grpc::Status ProvisioningService::UpdateTemplate(
    grpc::ServerContext* context, const provisioning::v1::UpdateTemplateRequest* request,
    Template* response) {
  return Serve(parts_, "UpdateTemplate", *context, kScopes, [&](const auth::Claims& claims) {
    return Update(claims, request->template_(), *response);
  });
}

absl::Status ProvisioningService::Update(const auth::Claims& claims, const Template& wanted,
                                         Template& response) {
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name, ReadName(claims, wanted.name(), kTemplates));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(TemplateRow row, ReadTemplate(*connection, claims, name.tenant, wanted));
  row.name = name.id;
  HP_ASSIGN_OR_RETURN(row, registry::UpdateTemplate(*connection, ActorOf(claims), row));
  Fill(row, response);
  return absl::OkStatus();
}

grpc::Status ProvisioningService::DeleteTemplate(
    grpc::ServerContext* context, const provisioning::v1::DeleteTemplateRequest* request,
    provisioning::v1::DeleteTemplateResponse*) {
  return Serve(
      parts_, "DeleteTemplate", *context, kScopes, [&](const auth::Claims& claims) -> absl::Status {
        HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name,
                            ReadName(claims, request->name(), kTemplates));
        HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
        return registry::DeleteTemplate(*connection, ActorOf(claims), name.tenant.str(), name.id);
      });
}

grpc::Status ProvisioningService::CreateClaim(grpc::ServerContext* context,
                                              const provisioning::v1::CreateClaimRequest* request,
                                              provisioning::v1::CreateClaimResponse* response) {
  return Serve(parts_, "CreateClaim", *context, kScopes,
               [&](const auth::Claims& claims) { return Create(claims, *request, *response); });
}

absl::Status ProvisioningService::Create(const auth::Claims& claims,
                                         const provisioning::v1::CreateClaimRequest& request,
                                         provisioning::v1::CreateClaimResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, ReadParent(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name,
                      ReadName(claims, request.claim().template_(), kTemplates));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(FindTemplate(*connection, tenant.str(), name.id).status());
  const WallMs now = clock_.Wall();
  std::string key;
  absl::StatusOr<auth::Certificate> certificate = auth::Certificate::FromPem(request.claim().pem());
  if (request.claim().pem().empty()) {
    HP_ASSIGN_OR_RETURN(key, auth::MakeKey());
    HP_ASSIGN_OR_RETURN(const std::string csr, auth::MakeCsr(key, kClaimSubject));
    certificate = signer_.Sign(*connection, tenant.str(), csr, now);
    HP_RETURN_IF_ERROR(certificate.status());
  }
  if (!certificate.ok()) {
    return Invalid("CERTIFICATE_INVALID",
                   fmt::format("claim.pem: {}", Message(certificate.status())));
  }
  CertificateRow row = RowOf(*certificate, tenant.str());
  row.template_name = name.id;
  row.created_ms = now.value;
  HP_RETURN_IF_ERROR(CreateCertificate(*connection, ActorOf(claims), row));
  Fill(row, *response.mutable_claim());
  response.set_private_key_pem(key);
  return absl::OkStatus();
}

grpc::Status ProvisioningService::ListClaims(grpc::ServerContext* context,
                                             const provisioning::v1::ListClaimsRequest* request,
                                             provisioning::v1::ListClaimsResponse* response) {
  return Serve(parts_, "ListClaims", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status ProvisioningService::List(const auth::Claims& claims,
                                       const provisioning::v1::ListClaimsRequest& request,
                                       provisioning::v1::ListClaimsResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, ReadParent(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<CertificateRow> rows,
                      registry::ListClaims(*connection, tenant.str(), page.after, page.size + 1));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(page.size));
  for (size_t i = 0; i < shown; ++i) Fill(rows[i], *response.add_claims());
  if (shown < rows.size()) response.set_next_page_token(rows[shown - 1].id);
  return absl::OkStatus();
}

grpc::Status ProvisioningService::RevokeClaim(grpc::ServerContext* context,
                                              const provisioning::v1::RevokeClaimRequest* request,
                                              provisioning::v1::RevokeClaimResponse*) {
  return Serve(parts_, "RevokeClaim", *context, kScopes,
               [&](const auth::Claims& claims) { return Revoke(claims, request->name()); });
}

absl::Status ProvisioningService::Revoke(const auth::Claims& claims, const std::string& name) {
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName parsed, ReadName(claims, name, kClaims));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  postgres::Transaction transaction(*connection);
  HP_ASSIGN_OR_RETURN(const std::optional<CertificateRow> row,
                      LockCertificate(transaction, parsed.id));
  if (!row || row->tenant != parsed.tenant.str() || row->template_name.empty()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "CLAIM_NOT_FOUND",
                           fmt::format("no claim {}", parsed.id));
  }
  HP_RETURN_IF_ERROR(RevokeCertificate(transaction, ActorOf(claims), parsed.id));
  return transaction.Commit();
}

}  // namespace homeport::registry
