// Exports: devices that a filter takes become chunks of a table.
#include <limits>
#include <utility>

#include "homeport/device/v1/device.pb.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/filter/expression.h"
#include "services/registry/api/device_fields.h"
#include "services/registry/operations/work.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/export_table.h"

namespace homeport::registry {
namespace {

using device::v1::ExportDevicesRequest;

class ExportWork final : public OperationWork {
 public:
  ExportWork(DeviceSearch search, const WorkLimits& limits, CatalogProbe& probe)
      : search_(std::move(search)), limits_(limits), probe_(probe) {}

  // A chunk looks at so many devices, whether or not the filter takes them: it never lasts long.
  absl::Status RunChunk(postgres::Connection& connection, const Hold& hold,
                        OperationRow& operation) override {
    HP_ASSIGN_OR_RETURN(
        const DeviceRange range,
        NextDevices(connection, search_.tenant, operation.last_key, limits_.chunk_rows));
    Advance advance{.next_row = operation.next_row + range.devices,
                    .last_key = operation.last_key,
                    .done = range.devices < limits_.chunk_rows};
    device::v1::ListExportedDevicesResponse chunk;
    if (range.devices > 0) {
      HP_RETURN_IF_ERROR(Search(connection, operation.last_key, range.last, chunk));
      advance.last_key = range.last;
      advance.exported = chunk.devices_size();
    }
    return Store(connection, hold, advance, chunk, operation);
  }

 private:
  // All of the range, with what was committed into it since: what the next chunk begins behind.
  absl::Status Search(postgres::Connection& connection, const std::string& behind,
                      const std::string& last, device::v1::ListExportedDevicesResponse& chunk) {
    search_.behind.clear();
    if (!behind.empty()) search_.behind.push_back(behind);
    search_.last_id = last;
    HP_ASSIGN_OR_RETURN(const FoundDevices found, SearchDevices(connection, search_));
    chunk.mutable_devices()->Reserve(static_cast<int>(found.rows.size()));
    for (const DeviceRow& row : found.rows) FillDevice(row, *chunk.add_devices());
    return absl::OkStatus();
  }

  absl::Status Store(postgres::Connection& connection, const Hold& hold, const Advance& advance,
                     const device::v1::ListExportedDevicesResponse& chunk,
                     OperationRow& operation) {
    postgres::Transaction transaction(connection);
    OperationRow advanced = operation;
    HP_RETURN_IF_ERROR(AdvanceOperation(transaction, hold, advance, advanced));
    if (advance.exported > 0) {
      HP_RETURN_IF_ERROR(
          AddExportChunk(transaction, operation, advance.exported, chunk.SerializeAsString()));
      HP_ASSIGN_OR_RETURN(const ExportUsage usage, UsageOfExports(transaction, search_.tenant));
      if (usage.devices > limits_.export_devices_max) {
        return TooManyExported(search_.tenant, limits_.export_devices_max);
      }
    }
    HP_RETURN_IF_ERROR(transaction.Commit());
    operation = std::move(advanced);
    probe_.Exported(static_cast<size_t>(advance.exported));
    return absl::OkStatus();
  }

  DeviceSearch search_;
  const WorkLimits limits_;
  CatalogProbe& probe_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OperationWork>> MakeExportWork(const OperationRow& operation,
                                                              const WorkLimits& limits,
                                                              CatalogProbe& probe) {
  ExportDevicesRequest request;
  if (!request.ParseFromString(operation.request)) {
    return absl::DataLossError("a stored request is damaged");
  }
  DeviceSearch search;
  search.tenant = TenantId(operation.tenant);
  HP_ASSIGN_OR_RETURN(search.filter, filter::Parse(request.filter()));
  HP_ASSIGN_OR_RETURN(search.order, filter::ParseOrder("", DeviceSchema()));
  search.deleted_too = request.show_deleted();
  search.limit = std::numeric_limits<int64_t>::max() - 1;
  return std::make_unique<ExportWork>(std::move(search), limits, probe);
}

}  // namespace homeport::registry
