#include "services/registry/api/operations_service.h"

#include <algorithm>

#include "homeport/device/v1/device.pb.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "libs/rpc/status_convert.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"

namespace homeport::registry {
namespace {

using google::longrunning::Operation;

const std::initializer_list<std::string_view> kScopes = {"operator"};
constexpr int64_t kFailuresShown = 100;
constexpr std::string_view kCollection = "/operations/";

}  // namespace

void FillFailure(const FailureRow& row, device::v1::ImportFailure& out) {
  out.set_line(static_cast<int32_t>(row.line));
  out.set_device_id(row.device);
  out.set_code(static_cast<int32_t>(row.code));
  out.set_reason(row.reason);
  out.set_message(row.message);
}

absl::StatusOr<OperationName> ReadOperationName(const auth::Claims& claims,
                                                const std::string& name) {
  const size_t at = std::min(name.find(kCollection), name.size());
  HP_ASSIGN_OR_RETURN(TenantId tenant, rpc::ParseTenantName(name.substr(0, at), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  const std::string id = at == name.size() ? "" : name.substr(at + kCollection.size());
  const bool valid = !id.empty() && id.size() <= 64 &&
                     id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!valid) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "NAME_INVALID",
                           "name: not of the form tenants/{tenant}/operations/{operation}");
  }
  return OperationName{std::move(tenant), id};
}

namespace {

void FillImport(const OperationRow& row, const std::vector<FailureRow>& failures, Operation& out) {
  device::v1::ImportDevicesMetadata metadata;
  *metadata.mutable_create_time() = ToTimestamp(row.created_ms);
  *metadata.mutable_update_time() = ToTimestamp(row.updated_ms);
  metadata.set_rows(static_cast<int32_t>(row.rows));
  metadata.set_rows_done(static_cast<int32_t>(row.next_row));
  metadata.set_rows_failed(static_cast<int32_t>(row.failed));
  out.mutable_metadata()->PackFrom(metadata);
  if (!row.done || row.error_code != 0) return;
  device::v1::ImportDevicesResponse response;
  response.set_rows_created(static_cast<int32_t>(row.created));
  response.set_rows_updated(static_cast<int32_t>(row.updated));
  response.set_rows_failed(static_cast<int32_t>(row.failed));
  for (const FailureRow& failure : failures) FillFailure(failure, *response.add_failures());
  out.mutable_response()->PackFrom(response);
}

void FillExport(const OperationRow& row, Operation& out) {
  device::v1::ExportDevicesMetadata metadata;
  *metadata.mutable_create_time() = ToTimestamp(row.created_ms);
  *metadata.mutable_update_time() = ToTimestamp(row.updated_ms);
  metadata.set_devices(row.rows);
  metadata.set_devices_done(row.next_row);
  metadata.set_devices_exported(row.exported);
  out.mutable_metadata()->PackFrom(metadata);
  if (!row.done || row.error_code != 0) return;
  device::v1::ExportDevicesResponse response;
  response.set_devices_exported(row.exported);
  out.mutable_response()->PackFrom(response);
}

}  // namespace

void FillOperation(const OperationRow& row, const std::vector<FailureRow>& failures,
                   Operation& out) {
  out.set_name(fmt::format("tenants/{}{}{}", row.tenant, kCollection, row.id));
  out.set_done(row.done);
  if (row.kind == OperationKind::kExport) {
    FillExport(row, out);
  } else {
    FillImport(row, failures, out);
  }
  if (!row.done || row.error_code == 0) return;
  const auto code = static_cast<grpc::StatusCode>(row.error_code);
  const grpc::Status error = rpc::MakeError(code, row.error_reason, row.error);
  out.mutable_error()->ParseFromString(error.error_details());
}

grpc::Status OperationsService::ListOperations(
    grpc::ServerContext* context, const google::longrunning::ListOperationsRequest* request,
    google::longrunning::ListOperationsResponse* response) {
  return Serve(parts_, "ListOperations", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status OperationsService::List(const auth::Claims& claims,
                                     const google::longrunning::ListOperationsRequest& request,
                                     google::longrunning::ListOperationsResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.name(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  if (!request.filter().empty()) return FieldInvalid("filter", "is not supported");
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<OperationRow> rows,
                      registry::ListOperations(*connection, tenant, page.after(), page.size + 1));
  FillPage(
      page, rows, response,
      [&](const OperationRow& row) { FillOperation(row, {}, *response.add_operations()); },
      [](const OperationRow& row) { return std::vector{row.id}; });
  return absl::OkStatus();
}

grpc::Status OperationsService::GetOperation(
    grpc::ServerContext* context, const google::longrunning::GetOperationRequest* request,
    Operation* response) {
  return Serve(parts_, "GetOperation", *context, kScopes,
               [&](const auth::Claims& claims) { return Get(claims, request->name(), *response); });
}

absl::Status OperationsService::Get(const auth::Claims& claims, const std::string& name,
                                    Operation& response) {
  HP_ASSIGN_OR_RETURN(const OperationName parsed, ReadOperationName(claims, name));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const OperationRow row, FindOperation(*connection, parsed.tenant, parsed.id));
  std::vector<FailureRow> failures;
  if (row.done && row.failed > 0) {
    HP_ASSIGN_OR_RETURN(failures,
                        ListFailures(*connection, parsed.tenant, parsed.id, -1, kFailuresShown));
  }
  FillOperation(row, failures, response);
  return absl::OkStatus();
}

grpc::Status OperationsService::DeleteOperation(
    grpc::ServerContext* context, const google::longrunning::DeleteOperationRequest* request,
    google::protobuf::Empty*) {
  return Serve(parts_, "DeleteOperation", *context, kScopes,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(const OperationName name,
                                     ReadOperationName(claims, request->name()));
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 return registry::DeleteOperation(*connection, name.tenant, name.id);
               });
}

grpc::Status OperationsService::CancelOperation(
    grpc::ServerContext* context, const google::longrunning::CancelOperationRequest* request,
    google::protobuf::Empty*) {
  return Serve(parts_, "CancelOperation", *context, kScopes,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(const OperationName name,
                                     ReadOperationName(claims, request->name()));
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 return registry::CancelOperation(*connection, name.tenant, name.id);
               });
}

}  // namespace homeport::registry
