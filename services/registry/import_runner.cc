#include "services/registry/import_runner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/auth/credentials.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/call_auth.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/device_fields.h"
#include "services/registry/store/device_import.h"

namespace homeport::registry {
namespace {

using device::v1::ImportDevicesRequest;

constexpr size_t kSecretHashBytes = 32;

// What can be said of a row alone.
absl::Status ReadRow(const ImportDevicesRequest::Row& row, std::string_view tenant,
                     DeviceRow& device) {
  device.id = row.device_id();
  device.tenant = tenant;
  if (!auth::IsDeviceName(device.id)) return FieldInvalid("device_id", "1-128 of [A-Za-z0-9:._-]");
  HP_ASSIGN_OR_RETURN(const rpc::ProductName product,
                      rpc::ParseProductName(row.device().product(), tenant));
  if (product.tenant.str() != tenant) return rpc::PermissionDenied(row.device().product());
  device.product = product.product.str();
  if (!row.secret_sha256().empty() && row.secret_sha256().size() != kSecretHashBytes) {
    return FieldInvalid("secret_sha256", "32 bytes, or none");
  }
  device.secret_sha256 = row.secret_sha256();
  HP_RETURN_IF_ERROR(CheckDevice(row.device()));
  CopyDevice(row.device(), device);
  return absl::OkStatus();
}

FailureRow FailureOf(const ImportDevicesRequest::Row& row, int64_t number,
                     const absl::Status& status) {
  constexpr size_t kShownBytesMax = 128;
  const std::string& device = row.device_id();
  return {.row = number,
          .line = row.line(),
          .device = IsValidDeviceId(device) ? device : fmt::format("({} bytes)", device.size()),
          .code = static_cast<int64_t>(status.code()),
          .reason = ReasonOf(status),
          .message = Message(status).substr(0, 2 * kShownBytesMax)};
}

// What comes of the server, not of the request.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status);
}

}  // namespace

ImportRunner::ImportRunner(Options options, ServiceProbe& probe, CatalogProbe& catalog)
    : options_(std::move(options)), probe_(probe), catalog_(catalog) {}

ImportRunner::~ImportRunner() { Stop(); }

void ImportRunner::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ImportRunner::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void ImportRunner::Run() {
  int64_t wait_ms = 0;
  while (!stop_.WaitFor(wait_ms)) {
    const absl::StatusOr<bool> more = Step();
    if (more.ok()) {
      backoff_.Reset();
      wait_ms = *more ? 0 : options_.poll_ms;
    } else {
      probe_.PostgresFailed();
      log::Warn("import_retries", {{"error", more.status()}});
      wait_ms = backoff_.NextMs();
    }
  }
}

absl::StatusOr<bool> ImportRunner::Step() {
  if (postgres_ == nullptr || postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
  }
  HP_ASSIGN_OR_RETURN(std::optional<OperationRow> operation,
                      ClaimOperation(*postgres_, options_.pod, options_.lease_ms));
  if (!operation.has_value()) return false;
  const absl::Status status = WorkOff(*operation);
  if (status.ok() || ReasonOf(status) == "FENCED") return true;
  if (IsPassing(status)) return status;
  // The same chunk would fail again.
  log::Error("import_failed", {{"operation", operation->id}, {"error", status}});
  if (postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
  }
  HP_RETURN_IF_ERROR(EndOperation(*postgres_, options_.pod, *operation,
                                  static_cast<int64_t>(absl::StatusCode::kInternal),
                                  "the registry could not store a chunk"));
  return true;
}

absl::Status ImportRunner::WorkOff(OperationRow& operation) {
  ImportDevicesRequest request;
  if (!request.ParseFromString(operation.request) || request.rows_size() != operation.rows) {
    return absl::DataLossError("a stored request is damaged");
  }
  operation.request.clear();
  while (!operation.done && !stop_.stopped()) {
    if (operation.cancelled) {
      return EndOperation(*postgres_, options_.pod, operation,
                          static_cast<int64_t>(absl::StatusCode::kCancelled), "cancelled");
    }
    HP_RETURN_IF_ERROR(RunChunk(request, operation));
  }
  return absl::OkStatus();
}

absl::Status ImportRunner::RunChunk(const ImportDevicesRequest& request, OperationRow& operation) {
  const int64_t first = operation.next_row;
  const int64_t end = std::min(operation.rows, first + options_.chunk_rows);
  std::vector<ImportRow> rows(static_cast<size_t>(end - first));
  const auto row_at = [&](size_t i) -> const ImportDevicesRequest::Row& {
    return request.rows(static_cast<int>(first) + static_cast<int>(i));
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].outcome = ReadRow(row_at(i), operation.tenant, rows[i].device);
  }
  postgres::Transaction transaction(*postgres_);
  HP_RETURN_IF_ERROR(ImportDevices(
      transaction, {operation.tenant, operation.actor},
      {.update_existing = request.update_existing(), .validate_only = request.validate_only()},
      rows));
  Advance advance;
  advance.next_row = end;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].outcome.ok()) {
      advance.failures.push_back(
          FailureOf(row_at(i), first + static_cast<int64_t>(i), rows[i].outcome));
    } else {
      ++(rows[i].updated ? advance.updated : advance.created);
    }
  }
  OperationRow advanced = operation;
  HP_RETURN_IF_ERROR(
      AdvanceOperation(transaction, options_.pod, options_.lease_ms, advance, advanced));
  HP_RETURN_IF_ERROR(transaction.Commit());
  operation = std::move(advanced);
  catalog_.Imported(rows.size() - advance.failures.size(), advance.failures.size());
  return absl::OkStatus();
}

}  // namespace homeport::registry
