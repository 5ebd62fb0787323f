#pragma once

#include <string>
#include <vector>

#include "homeport/device/v1/device.grpc.pb.h"
#include "services/registry/api/call.h"
#include "services/registry/store/device_table.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

// The gRPC DeviceService. Thread-safe. Borrows the appender.
class DeviceService final : public device::v1::DeviceService::Service {
 public:
  DeviceService(const ApiParts& parts, StreamAppender& appender, uint32_t partitions)
      : parts_(parts), appender_(appender), partitions_(partitions) {}

  grpc::Status CreateDevice(grpc::ServerContext* context,
                            const device::v1::CreateDeviceRequest* request,
                            device::v1::CreateDeviceResponse* response) override;
  grpc::Status GetDevice(grpc::ServerContext* context, const device::v1::GetDeviceRequest* request,
                         device::v1::Device* response) override;
  grpc::Status ListDevices(grpc::ServerContext* context,
                           const device::v1::ListDevicesRequest* request,
                           device::v1::ListDevicesResponse* response) override;
  grpc::Status UpdateDevice(grpc::ServerContext* context,
                            const device::v1::UpdateDeviceRequest* request,
                            device::v1::Device* response) override;
  grpc::Status RotateSecret(grpc::ServerContext* context,
                            const device::v1::RotateSecretRequest* request,
                            device::v1::RotateSecretResponse* response) override;
  grpc::Status DeleteDevice(grpc::ServerContext* context,
                            const device::v1::DeleteDeviceRequest* request,
                            device::v1::DeleteDeviceResponse* response) override;

 private:
  absl::Status Create(const auth::Claims& claims, const device::v1::CreateDeviceRequest& request,
                      device::v1::CreateDeviceResponse& response);
  absl::Status List(const auth::Claims& claims, const device::v1::ListDevicesRequest& request,
                    device::v1::ListDevicesResponse& response);
  absl::Status Update(const auth::Claims& claims, const device::v1::Device& device,
                      device::v1::Device& response);
  absl::Status Rotate(const auth::Claims& claims, const std::string& name, std::string& secret);
  absl::Status Delete(const auth::Claims& claims, const std::string& name);
  // Ends the sessions of a device that may not connect any more.
  absl::Status Kick(const std::vector<StoredSession>& sessions);

  const ApiParts parts_;
  StreamAppender& appender_;
  const uint32_t partitions_;
};

}  // namespace homeport::registry
