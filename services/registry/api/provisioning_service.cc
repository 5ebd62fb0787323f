#include "services/registry/api/provisioning_service.h"

#include <optional>
#include <utility>

#include "libs/auth/certificate.h"
#include "libs/auth/certificate_maker.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/field_mask.h"
#include "services/registry/api/mutation.h"
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

std::string EtagOf(const TemplateRow& row) {
  return registry::EtagOf({row.body, row.product, row.disabled ? "disabled" : ""});
}

void Fill(const TemplateRow& row, Template& out) {
  out.set_name(rpc::FormatTenantChildName(row.tenant, kTemplates, row.name));
  out.set_body_json(row.body);
  out.set_product(rpc::FormatProductName(row.tenant, row.product));
  out.set_disabled(row.disabled);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  out.set_etag(EtagOf(row));
}

void Fill(const CertificateRow& row, provisioning::v1::Claim& out) {
  out.set_name(rpc::FormatTenantChildName(row.tenant, kClaims, row.id));
  out.set_pem(row.pem);
  out.set_template_(rpc::FormatTenantChildName(row.tenant, kTemplates, row.template_name));
  out.set_revoked(row.state == CertificateRow::State::kRevoked);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  *out.mutable_expire_time() = ToTimestamp(row.not_after_ms);
}

constexpr UpdateField<Template, TemplateRow> kFields[] = {
    {"body_json", [](const Template& wanted) { return !wanted.body_json().empty(); },
     [](const Template& wanted, TemplateRow& row) { row.body = wanted.body_json(); }},
    {"product", [](const Template& wanted) { return !wanted.product().empty(); },
     [](const Template& wanted, TemplateRow& row) {
       row.product = wanted.product().substr(wanted.product().rfind('/') + 1);
     }},
    {"disabled", [](const Template& wanted) { return wanted.disabled(); },
     [](const Template& wanted, TemplateRow& row) { row.disabled = wanted.disabled(); }},
};

// Whether the product that a template names, if it does, is one of the tenant's.
absl::Status CheckProductOf(postgres::Connection& connection, const auth::Claims& claims,
                            const TenantId& tenant, const Template& wanted) {
  if (wanted.product().empty()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                      rpc::ParseProductName(wanted.product(), claims.tenant));
  return FindProduct(connection, tenant, product.product).status();
}

absl::Status CheckRow(const TemplateRow& row) {
  const absl::Status parsed = ProvisioningTemplate::Parse(row.body).status();
  if (!parsed.ok()) return Invalid("TEMPLATE_INVALID", Message(parsed));
  if (row.product.empty()) return FieldInvalid("template.product", "is required");
  return absl::OkStatus();
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
    return FieldInvalid("template_id", "1-36 of [0-9A-Za-z_-]");
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(CheckProductOf(*connection, claims, tenant, request.template_()));
  const auto create = [&](postgres::Transaction& transaction, Template& created) -> absl::Status {
    TemplateRow row;
    row.tenant = tenant.str();
    row.name = id;
    CopyFields(request.template_(), kFields, row);
    HP_RETURN_IF_ERROR(CheckRow(row));
    HP_ASSIGN_OR_RETURN(row, registry::CreateTemplate(transaction, ActorOf(claims), row));
    Fill(row, created);
    return absl::OkStatus();
  };
  return Change(*connection, ActorOf(claims), "CreateTemplate", request, response, create);
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
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(
      const std::vector<TemplateRow> rows,
      registry::ListTemplates(*connection, tenant.str(), page.after(), page.size + 1));
  FillPage(
      page, rows, response, [&](const TemplateRow& row) { Fill(row, *response.add_templates()); },
      [](const TemplateRow& row) { return std::vector{row.name}; });
  return absl::OkStatus();
}

grpc::Status ProvisioningService::UpdateTemplate(
    grpc::ServerContext* context, const provisioning::v1::UpdateTemplateRequest* request,
    Template* response) {
  return Serve(parts_, "UpdateTemplate", *context, kScopes,
               [&](const auth::Claims& claims) { return Update(claims, *request, *response); });
}

absl::Status ProvisioningService::Update(const auth::Claims& claims,
                                         const provisioning::v1::UpdateTemplateRequest& request,
                                         Template& response) {
  const Template& wanted = request.template_();
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name, ReadName(claims, wanted.name(), kTemplates));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(CheckProductOf(*connection, claims, name.tenant, wanted));
  const auto update = [&](postgres::Transaction& transaction, Template& updated) -> absl::Status {
    HP_ASSIGN_OR_RETURN(TemplateRow row, LockTemplate(transaction, name.tenant.str(), name.id));
    HP_RETURN_IF_ERROR(CheckEtag(wanted.etag(), EtagOf(row)));
    HP_RETURN_IF_ERROR(MergeFields(wanted, request.update_mask(), kFields, row));
    HP_RETURN_IF_ERROR(CheckRow(row));
    HP_ASSIGN_OR_RETURN(row, registry::UpdateTemplate(transaction, ActorOf(claims), row));
    Fill(row, updated);
    return absl::OkStatus();
  };
  return Change(*connection, ActorOf(claims), "UpdateTemplate", request, response, update);
}

grpc::Status ProvisioningService::DeleteTemplate(
    grpc::ServerContext* context, const provisioning::v1::DeleteTemplateRequest* request,
    provisioning::v1::DeleteTemplateResponse* response) {
  return Serve(parts_, "DeleteTemplate", *context, kScopes,
               [&](const auth::Claims& claims) { return Delete(claims, *request, *response); });
}

absl::Status ProvisioningService::Delete(const auth::Claims& claims,
                                         const provisioning::v1::DeleteTemplateRequest& request,
                                         provisioning::v1::DeleteTemplateResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName name,
                      ReadName(claims, request.name(), kTemplates));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto remove = [&](postgres::Transaction& transaction,
                          provisioning::v1::DeleteTemplateResponse&) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const TemplateRow row,
                        LockTemplate(transaction, name.tenant.str(), name.id));
    HP_RETURN_IF_ERROR(CheckEtag(request.etag(), EtagOf(row)));
    return registry::DeleteTemplate(transaction, ActorOf(claims), row.tenant, row.name);
  };
  return Change(*connection, ActorOf(claims), "DeleteTemplate", request, response, remove);
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
  // Signing may take its time, and what is signed for a repeated request would be for nothing.
  HP_ASSIGN_OR_RETURN(const std::optional<RequestKey> key,
                      KeyOf(ActorOf(claims), "CreateClaim", request));
  HP_ASSIGN_OR_RETURN(const bool answered, WasAnswered(*connection, key, response));
  if (answered) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const ClaimIdentity identity,
                      IdentityOf(*connection, tenant.str(), request.claim().pem()));
  const auto create = [&](postgres::Transaction& transaction,
                          provisioning::v1::CreateClaimResponse& created) -> absl::Status {
    CertificateRow row = RowOf(identity.certificate, tenant.str());
    row.template_name = name.id;
    row.created_ms = clock_.Wall().value;
    HP_RETURN_IF_ERROR(CreateCertificate(transaction, ActorOf(claims), row));
    Fill(row, *created.mutable_claim());
    created.set_private_key_pem(identity.key);
    return absl::OkStatus();
  };
  return Change(*connection, ActorOf(claims), "CreateClaim", request, response, create);
}

absl::StatusOr<ProvisioningService::ClaimIdentity> ProvisioningService::IdentityOf(
    postgres::Connection& connection, const std::string& tenant, const std::string& pem) {
  if (pem.empty()) {
    HP_ASSIGN_OR_RETURN(const std::string key, auth::MakeKey());
    HP_ASSIGN_OR_RETURN(const std::string csr, auth::MakeCsr(key, kClaimSubject));
    HP_ASSIGN_OR_RETURN(auth::Certificate signed_one,
                        signer_.Sign(connection, tenant, csr, clock_.Wall()));
    return ClaimIdentity{std::move(signed_one), key};
  }
  absl::StatusOr<auth::Certificate> given = auth::Certificate::FromPem(pem);
  if (given.ok()) return ClaimIdentity{*std::move(given), ""};
  return Invalid("CERTIFICATE_INVALID", fmt::format("claim.pem: {}", Message(given.status())));
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
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<CertificateRow> rows,
                      registry::ListClaims(*connection, tenant.str(), page.after(), page.size + 1));
  FillPage(
      page, rows, response, [&](const CertificateRow& row) { Fill(row, *response.add_claims()); },
      [](const CertificateRow& row) { return std::vector{row.id}; });
  return absl::OkStatus();
}

grpc::Status ProvisioningService::RevokeClaim(grpc::ServerContext* context,
                                              const provisioning::v1::RevokeClaimRequest* request,
                                              provisioning::v1::RevokeClaimResponse* response) {
  return Serve(parts_, "RevokeClaim", *context, kScopes,
               [&](const auth::Claims& claims) { return Revoke(claims, *request, *response); });
}

absl::Status ProvisioningService::Revoke(const auth::Claims& claims,
                                         const provisioning::v1::RevokeClaimRequest& request,
                                         provisioning::v1::RevokeClaimResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::TenantChildName parsed, ReadName(claims, request.name(), kClaims));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto revoke = [&](postgres::Transaction& transaction,
                          provisioning::v1::RevokeClaimResponse&) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const std::optional<CertificateRow> row,
                        LockCertificate(transaction, parsed.id));
    if (!row || row->tenant != parsed.tenant.str() || row->template_name.empty()) {
      return ErrorWithReason(absl::StatusCode::kNotFound, "CLAIM_NOT_FOUND",
                             fmt::format("no claim {}", parsed.id));
    }
    return RevokeCertificate(transaction, ActorOf(claims), parsed.id);
  };
  return Change(*connection, ActorOf(claims), "RevokeClaim", request, response, revoke);
}

}  // namespace homeport::registry
