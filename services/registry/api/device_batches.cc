// DeviceService: imports and exports, which become operations.
#include <openssl/rand.h>

#include <algorithm>

#include "libs/base/check.h"
#include "libs/base/clock.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/api/device_service.h"
#include "services/registry/api/operations_service.h"
#include "services/registry/api/page.h"
#include "services/registry/store/export_table.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kWriters = {"operator"};
constexpr int kRowsMax = 20'000;

// Sorts by time; the rest is random.
std::string MakeOperationId() {
  uint64_t random = 0;
  HP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&random), sizeof random) == 1);
  return fmt::format("{:012x}{:016x}", SystemClock().Wall().value, random);
}

// The devices [first, first + count) of an export, as far as it holds them.
absl::StatusOr<std::vector<device::v1::Device>> ReadExport(postgres::Connection& connection,
                                                           const OperationRow& operation,
                                                           int64_t first, int64_t count) {
  HP_ASSIGN_OR_RETURN(const std::vector<ExportChunk> chunks,
                      FindExportChunks(connection, operation, first, count));
  std::vector<device::v1::Device> devices;
  for (const ExportChunk& chunk : chunks) {
    device::v1::ListExportedDevicesResponse content;
    if (!content.ParseFromString(chunk.content) || content.devices_size() != chunk.devices) {
      return absl::DataLossError("a stored export is damaged");
    }
    const int64_t end = std::min(chunk.devices, first + count - chunk.first);
    for (int64_t i = std::max<int64_t>(0, first - chunk.first); i < end; ++i) {
      devices.push_back(std::move(*content.mutable_devices(static_cast<int>(i))));
    }
  }
  return devices;
}

// An export that is done.
absl::Status CheckReadable(const OperationRow& operation) {
  if (operation.kind != OperationKind::kExport) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
                           fmt::format("operation {} is no export", operation.id));
  }
  if (!operation.done) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "OPERATION_RUNNING",
                           fmt::format("operation {} is not finished", operation.id));
  }
  if (operation.error_code == 0) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "EXPORT_FAILED",
                         fmt::format("operation {} ended with an error", operation.id));
}

absl::Status CheckDeviceFilter(const std::string& text) {
  HP_ASSIGN_OR_RETURN(const filter::Expression parsed, filter::Parse(text));
  return filter::Compile(parsed, DeviceSchema(), /*first_param=*/1).status();
}

}  // namespace

grpc::Status DeviceService::ImportDevices(grpc::ServerContext* context,
                                          const device::v1::ImportDevicesRequest* request,
                                          google::longrunning::Operation* response) {
  return Serve(parts_, "ImportDevices", *context, kWriters,
               [&](const auth::Claims& claims) { return Import(claims, *request, *response); });
}

absl::Status DeviceService::Import(const auth::Claims& claims,
                                   const device::v1::ImportDevicesRequest& request,
                                   google::longrunning::Operation& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  if (request.rows().empty() || request.rows_size() > kRowsMax) {
    return FieldInvalid("rows", fmt::format("1 to {}", kRowsMax));
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto create = [&](postgres::Transaction& transaction,
                          google::longrunning::Operation& operation) -> absl::Status {
    OperationRow row;
    row.tenant = tenant.str();
    row.id = MakeOperationId();
    row.actor = claims.subject;
    row.request = request.SerializeAsString();
    row.rows = request.rows_size();
    HP_ASSIGN_OR_RETURN(row, CreateOperation(transaction, row));
    FillOperation(row, {}, operation);
    return Audit(transaction, ActorOf(claims), "ImportDevices", "operations/" + row.id);
  };
  return Change(*connection, ActorOf(claims), "ImportDevices", request, response, create);
}

grpc::Status DeviceService::ListImportFailures(grpc::ServerContext* context,
                                               const device::v1::ListImportFailuresRequest* request,
                                               device::v1::ListImportFailuresResponse* response) {
  return Serve(parts_, "ListImportFailures", *context, kWriters,
               [&](const auth::Claims& claims) { return Failures(claims, *request, *response); });
}

absl::Status DeviceService::Failures(const auth::Claims& claims,
                                     const device::v1::ListImportFailuresRequest& request,
                                     device::v1::ListImportFailuresResponse& response) {
  HP_ASSIGN_OR_RETURN(const OperationName name, ReadOperationName(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  int64_t after = -1;
  if (!page.behind.empty()) {
    HP_ASSIGN_OR_RETURN(after, ReadNumberKey(page.after()));
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_RETURN_IF_ERROR(FindOperation(*connection, name.tenant, name.id).status());
  HP_ASSIGN_OR_RETURN(
      const std::vector<FailureRow> rows,
      registry::ListFailures(*connection, name.tenant, name.id, after, page.size + 1));
  FillPage(
      page, rows, response,
      [&](const FailureRow& row) { FillFailure(row, *response.add_failures()); },
      [](const FailureRow& row) { return std::vector{std::to_string(row.row)}; });
  return absl::OkStatus();
}

grpc::Status DeviceService::ExportDevices(grpc::ServerContext* context,
                                          const device::v1::ExportDevicesRequest* request,
                                          google::longrunning::Operation* response) {
  return Serve(parts_, "ExportDevices", *context, kWriters,
               [&](const auth::Claims& claims) { return Export(claims, *request, *response); });
}

absl::Status DeviceService::Export(const auth::Claims& claims,
                                   const device::v1::ExportDevicesRequest& request,
                                   google::longrunning::Operation& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  HP_RETURN_IF_ERROR(CheckDeviceFilter(request.filter()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const TenantUsage usage, FindUsage(*connection, tenant));
  const auto create = [&](postgres::Transaction& transaction,
                          google::longrunning::Operation& operation) -> absl::Status {
    OperationRow row;
    row.tenant = tenant.str();
    row.id = MakeOperationId();
    row.kind = OperationKind::kExport;
    row.actor = claims.subject;
    row.request = request.SerializeAsString();
    row.rows = usage.devices;
    HP_ASSIGN_OR_RETURN(row, CreateExport(transaction, row));
    FillOperation(row, {}, operation);
    return Audit(transaction, ActorOf(claims), "ExportDevices", "operations/" + row.id);
  };
  return Change(*connection, ActorOf(claims), "ExportDevices", request, response, create);
}

absl::StatusOr<OperationRow> DeviceService::CreateExport(postgres::Transaction& transaction,
                                                         const OperationRow& row) {
  const TenantId tenant(row.tenant);
  HP_RETURN_IF_ERROR(LockExports(transaction, tenant));
  HP_ASSIGN_OR_RETURN(const ExportUsage usage, UsageOfExports(transaction, tenant));
  if (usage.unfinished >= options_.exports_unfinished_max) {
    parts_.probe.ExportRefused();
    log::Refusal("export_refused", {{"tenant", row.tenant}, {"limit", "exports-unfinished-max"}});
    return TooManyExports(tenant, options_.exports_unfinished_max);
  }
  if (usage.devices >= options_.export_devices_max) {
    parts_.probe.ExportTooLarge();
    log::Refusal("export_refused", {{"tenant", row.tenant}, {"limit", "export-devices-max"}});
    return TooManyExported(tenant, options_.export_devices_max);
  }
  return CreateOperation(transaction, row);
}

grpc::Status DeviceService::ListExportedDevices(
    grpc::ServerContext* context, const device::v1::ListExportedDevicesRequest* request,
    device::v1::ListExportedDevicesResponse* response) {
  return Serve(parts_, "ListExportedDevices", *context, kWriters,
               [&](const auth::Claims& claims) { return Exported(claims, *request, *response); });
}

absl::Status DeviceService::Exported(const auth::Claims& claims,
                                     const device::v1::ListExportedDevicesRequest& request,
                                     device::v1::ListExportedDevicesResponse& response) {
  HP_ASSIGN_OR_RETURN(const OperationName name, ReadOperationName(claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  int64_t first = 0;
  if (!page.behind.empty()) {
    HP_ASSIGN_OR_RETURN(first, ReadNumberKey(page.after()));
  }
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const OperationRow operation,
                      FindOperation(*connection, name.tenant, name.id));
  HP_RETURN_IF_ERROR(CheckReadable(operation));
  first = std::clamp<int64_t>(first, 0, operation.exported);
  HP_ASSIGN_OR_RETURN(const std::vector<device::v1::Device> devices,
                      ReadExport(*connection, operation, first, page.size + 1));
  FillPage(
      page, devices, response,
      [&](const device::v1::Device& device) { *response.add_devices() = device; },
      [&](const device::v1::Device&) {
        return std::vector{std::to_string(first + response.devices_size())};
      });
  return absl::OkStatus();
}

}  // namespace homeport::registry
