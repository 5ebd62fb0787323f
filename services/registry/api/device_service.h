#pragma once

#include <functional>
#include <string>

#include "homeport/device/v1/device.grpc.pb.h"
#include "libs/rpc/arena_messages.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/batched_reads.h"
#include "services/registry/api/call.h"
#include "services/registry/api/freshness.h"
#include "services/registry/api/mutation.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/operation_table.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

struct DeviceServiceOptions {
  uint32_t partitions = 0;
  int64_t purge_days = 30;                  // a deleted device is kept
  int64_t exports_unfinished_max = 4;       // of a tenant
  int64_t export_devices_max = 10'000'000;  // held by all exports of a tenant
};

using PageReads = BatchedReads<DeviceSearch, FoundDevices>;

// Lists that are plain, and searches, which may take long. Borrowed.
struct DeviceReads {
  PageReads& pages;
  PageReads& searches;
};

// The gRPC DeviceService. Thread-safe. Borrows the appender.
class DeviceService final : public device::v1::DeviceService::WithCallbackMethod_ListDevices<
                                device::v1::DeviceService::Service> {
 public:
  DeviceService(const ApiParts& parts, const DeviceReads& reads, StreamAppender& appender,
                const DeviceServiceOptions& options, const Freshness& freshness)
      : parts_(parts),
        reads_(reads),
        appender_(appender),
        options_(options),
        freshness_(freshness) {
    SetMessageAllocatorFor_ListDevices(&lists_);
  }

  grpc::Status CreateDevice(grpc::ServerContext* context,
                            const device::v1::CreateDeviceRequest* request,
                            device::v1::CreateDeviceResponse* response) override;
  grpc::Status GetDevice(grpc::ServerContext* context, const device::v1::GetDeviceRequest* request,
                         device::v1::Device* response) override;
  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* context,
                                        const device::v1::ListDevicesRequest* request,
                                        device::v1::ListDevicesResponse* response) override;
  grpc::Status UpdateDevice(grpc::ServerContext* context,
                            const device::v1::UpdateDeviceRequest* request,
                            device::v1::Device* response) override;
  grpc::Status DisableDevice(grpc::ServerContext* context,
                             const device::v1::DisableDeviceRequest* request,
                             device::v1::Device* response) override;
  grpc::Status EnableDevice(grpc::ServerContext* context,
                            const device::v1::EnableDeviceRequest* request,
                            device::v1::Device* response) override;
  grpc::Status RetireDevice(grpc::ServerContext* context,
                            const device::v1::RetireDeviceRequest* request,
                            device::v1::Device* response) override;
  grpc::Status RotateSecret(grpc::ServerContext* context,
                            const device::v1::RotateSecretRequest* request,
                            device::v1::RotateSecretResponse* response) override;
  grpc::Status DeleteDevice(grpc::ServerContext* context,
                            const device::v1::DeleteDeviceRequest* request,
                            device::v1::Device* response) override;
  grpc::Status UndeleteDevice(grpc::ServerContext* context,
                              const device::v1::UndeleteDeviceRequest* request,
                              device::v1::Device* response) override;
  grpc::Status PurgeDevice(grpc::ServerContext* context,
                           const device::v1::PurgeDeviceRequest* request,
                           device::v1::PurgeDeviceResponse* response) override;
  grpc::Status ImportDevices(grpc::ServerContext* context,
                             const device::v1::ImportDevicesRequest* request,
                             google::longrunning::Operation* response) override;
  grpc::Status ListImportFailures(grpc::ServerContext* context,
                                  const device::v1::ListImportFailuresRequest* request,
                                  device::v1::ListImportFailuresResponse* response) override;
  grpc::Status ExportDevices(grpc::ServerContext* context,
                             const device::v1::ExportDevicesRequest* request,
                             google::longrunning::Operation* response) override;
  grpc::Status ListExportedDevices(grpc::ServerContext* context,
                                   const device::v1::ListExportedDevicesRequest* request,
                                   device::v1::ListExportedDevicesResponse* response) override;

 private:
  absl::Status Import(const auth::Claims& claims, const device::v1::ImportDevicesRequest& request,
                      google::longrunning::Operation& response);
  absl::Status Failures(const auth::Claims& claims,
                        const device::v1::ListImportFailuresRequest& request,
                        device::v1::ListImportFailuresResponse& response);
  absl::Status Export(const auth::Claims& claims, const device::v1::ExportDevicesRequest& request,
                      google::longrunning::Operation& response);
  // One more, of the tenant of `row`.
  absl::StatusOr<OperationRow> CreateExport(postgres::Transaction& transaction,
                                            const OperationRow& row);
  absl::Status Exported(const auth::Claims& claims,
                        const device::v1::ListExportedDevicesRequest& request,
                        device::v1::ListExportedDevicesResponse& response);
  absl::Status Create(const auth::Claims& claims, const device::v1::CreateDeviceRequest& request,
                      device::v1::CreateDeviceResponse& response);

  // One device's row, to be changed and written.
  using Step = std::function<absl::Status(postgres::Transaction&, DeviceRow&)>;
  // A change of one device: locks it, lets `step` change the row, writes and audits it. Then the
  // gateways are told whether it may connect.
  template <typename Request>
  grpc::Status ChangeDevice(std::string_view method, const grpc::ServerContext& context,
                            const Request& request, device::v1::Device& response, const Step& step);
  absl::Status Rotate(const auth::Claims& claims, const device::v1::RotateSecretRequest& request,
                      device::v1::RotateSecretResponse& response);
  absl::Status Purge(const auth::Claims& claims, const device::v1::PurgeDeviceRequest& request,
                     device::v1::PurgeDeviceResponse& response);
  // Brings the gateways to what the table says: may the device connect? If not, its sessions end.
  absl::Status Settle(postgres::Connection& connection, const DeviceId& device);

  const ApiParts parts_;
  const DeviceReads reads_;
  StreamAppender& appender_;
  const DeviceServiceOptions options_;
  const Freshness freshness_;
  rpc::ArenaMessages<device::v1::ListDevicesRequest, device::v1::ListDevicesResponse> lists_;
};

// The name, of the caller's own tenant.
[[nodiscard]] absl::StatusOr<rpc::DeviceName> ReadDeviceName(const auth::Claims& claims,
                                                             const std::string& name);

}  // namespace homeport::registry
