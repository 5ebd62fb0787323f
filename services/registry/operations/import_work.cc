// Imports: rows of the request become devices.
#include <algorithm>
#include <utility>
#include <vector>

#include "homeport/device/v1/device.pb.h"
#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/call_auth.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/device_fields.h"
#include "services/registry/operations/work.h"
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

class ImportWork final : public OperationWork {
 public:
  ImportWork(ImportDevicesRequest request, const WorkLimits& limits, CatalogProbe& probe)
      : request_(std::move(request)), limits_(limits), probe_(probe) {}

  absl::Status RunChunk(postgres::Connection& connection, const Hold& hold,
                        OperationRow& operation) override {
    const int64_t first = operation.next_row;
    const int64_t end = std::min(operation.rows, first + limits_.chunk_rows);
    std::vector<ImportRow> rows = ReadRows(operation.tenant, first, end);
    postgres::Transaction transaction(connection);
    HP_RETURN_IF_ERROR(ImportDevices(
        transaction, {operation.tenant, operation.actor},
        {.update_existing = request_.update_existing(), .validate_only = request_.validate_only()},
        rows));
    const Advance advance = AdvanceOf(rows, first, end);
    OperationRow advanced = operation;
    HP_RETURN_IF_ERROR(AdvanceOperation(transaction, hold, advance, advanced));
    HP_RETURN_IF_ERROR(transaction.Commit());
    operation = std::move(advanced);
    probe_.Imported(rows.size() - advance.failures.size(), advance.failures.size());
    return absl::OkStatus();
  }

 private:
  [[nodiscard]] const ImportDevicesRequest::Row& RowAt(int64_t number) const {
    return request_.rows(static_cast<int>(number));
  }

  [[nodiscard]] std::vector<ImportRow> ReadRows(std::string_view tenant, int64_t first,
                                                int64_t end) const {
    std::vector<ImportRow> rows(static_cast<size_t>(end - first));
    int64_t number = first;
    for (ImportRow& row : rows) row.outcome = ReadRow(RowAt(number++), tenant, row.device);
    return rows;
  }

  [[nodiscard]] Advance AdvanceOf(const std::vector<ImportRow>& rows, int64_t first,
                                  int64_t end) const {
    Advance advance{.next_row = end, .done = end == request_.rows_size()};
    int64_t number = first;
    for (const ImportRow& row : rows) {
      if (!row.outcome.ok()) {
        advance.failures.push_back(FailureOf(RowAt(number), number, row.outcome));
      } else {
        ++(row.updated ? advance.updated : advance.created);
      }
      ++number;
    }
    return advance;
  }

  const ImportDevicesRequest request_;
  const WorkLimits limits_;
  CatalogProbe& probe_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OperationWork>> MakeImportWork(const OperationRow& operation,
                                                              const WorkLimits& limits,
                                                              CatalogProbe& probe) {
  ImportDevicesRequest request;
  if (!request.ParseFromString(operation.request) || request.rows_size() != operation.rows) {
    return absl::DataLossError("a stored request is damaged");
  }
  return std::make_unique<ImportWork>(std::move(request), limits, probe);
}

}  // namespace homeport::registry
