// DeviceService: imports, which become operations.
#include <openssl/rand.h>

#include "libs/base/check.h"
#include "libs/base/clock.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/api/device_service.h"
#include "services/registry/api/operations_service.h"
#include "services/registry/api/page.h"

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

}  // namespace homeport::registry
