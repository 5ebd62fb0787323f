#include "services/registry/api/audit_service.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"
#include "services/registry/api/page_token.h"
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
  HP_ASSIGN_OR_RETURN(const int64_t size, ReadPageSize(request.page_size()));
  HP_ASSIGN_OR_RETURN(const filter::Expression expression, filter::Parse(request.filter()));
  HP_ASSIGN_OR_RETURN(const filter::Condition condition,
                      filter::Compile(expression, AuditSchema(), kAuditFilterParam));
  const std::string list = fmt::format("audit\n{}\n{}", tenant.str(), request.filter());
  HP_ASSIGN_OR_RETURN(const std::vector<std::string> behind,
                      ReadPageToken(request.page_token(), list, 1));
  int64_t before_id = 0;
  if (!behind.empty()) {
    const std::string& text = behind.front();
    (void)std::from_chars(text.data(), text.data() + text.size(), before_id);
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                      ListAudit(*connection, tenant, condition, before_id, size + 1));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(size));
  for (size_t i = 0; i < shown; ++i) Fill(tenant, rows[i], *response.add_audit_entries());
  if (shown < rows.size()) {
    response.set_next_page_token(MakePageToken(list, {std::to_string(rows[shown - 1].id)}));
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
