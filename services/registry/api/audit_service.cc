#include "services/registry/api/audit_service.h"

#include <string>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"
#include "services/registry/store/audit_table.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kScopes = {"operator", "platform"};

void Fill(const TenantId& tenant, const AuditRow& row, audit::v1::AuditEntry& out) {
  const std::string parent = fmt::format("tenants/{}", tenant.str());
  out.set_name(fmt::format("{}/auditEntries/{}", parent, row.id));
  *out.mutable_create_time() = ToTimestamp(row.at_ms);
  out.set_actor(row.actor);
  out.set_action(row.action);
  out.set_resource(row.resource.empty() ? parent : fmt::format("{}/{}", parent, row.resource));
  out.set_before_json(row.change.before);
  out.set_after_json(row.change.after);
}

}  // namespace

grpc::Status AuditService::ListAuditEntries(grpc::ServerContext* context,
                                            const audit::v1::ListAuditEntriesRequest* request,
                                            audit::v1::ListAuditEntriesResponse* response) {
  return Serve(parts_, "ListAuditEntries", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status AuditService::List(const auth::Claims& claims,
                                const audit::v1::ListAuditEntriesRequest& request,
                                audit::v1::ListAuditEntriesResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  if (!claims.HasScope("platform")) HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(const filter::Expression expression, filter::Parse(request.filter()));
  HP_ASSIGN_OR_RETURN(const filter::Condition condition,
                      filter::Compile(expression, AuditSchema(), kAuditFilterParam));
  int64_t before_id = 0;
  if (!page.behind.empty()) {
    HP_ASSIGN_OR_RETURN(before_id, ReadNumberKey(page.after()));
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                      ListAudit(*connection, tenant, condition, before_id, page.size + 1));
  FillPage(
      page, rows, response,
      [&](const AuditRow& row) { Fill(tenant, row, *response.add_audit_entries()); },
      [](const AuditRow& row) { return std::vector{std::to_string(row.id)}; });
  return absl::OkStatus();
}

}  // namespace homeport::registry
