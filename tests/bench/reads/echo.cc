#include "tests/bench/reads/echo.h"

#include <memory>

#include "homeport/device/v1/device.grpc.pb.h"
#include "homeport/shadow/v1/shadow.grpc.pb.h"
#include "libs/base/status.h"
#include "libs/rpc/read_file.h"
#include "libs/rpc/server.h"

namespace homeport::bench {
namespace {

class ShadowEcho final : public shadow::v1::ShadowService::Service {
 public:
  bool Parse(const std::string& bytes) { return answer_.ParseFromString(bytes); }
  grpc::Status GetShadow(grpc::ServerContext* /*context*/,
                         const shadow::v1::GetShadowRequest* /*request*/,
                         shadow::v1::Shadow* response) override {
    response->CopyFrom(answer_);
    return grpc::Status::OK;
  }

 private:
  shadow::v1::Shadow answer_;
};

class DeviceEcho final : public device::v1::DeviceService::Service {
 public:
  bool Parse(const std::string& bytes) { return answer_.ParseFromString(bytes); }
  grpc::Status ListDevices(grpc::ServerContext* /*context*/,
                           const device::v1::ListDevicesRequest* /*request*/,
                           device::v1::ListDevicesResponse* response) override {
    response->CopyFrom(answer_);
    return grpc::Status::OK;
  }

 private:
  device::v1::ListDevicesResponse answer_;
};

}  // namespace

absl::Status RunEcho(const EchoOptions& options, runtime::StopSignal& stop) {
  ShadowEcho shadows;
  DeviceEcho devices;
  HP_ASSIGN_OR_RETURN(const std::string shadow, rpc::ReadFile(options.shadow));
  HP_ASSIGN_OR_RETURN(const std::string list, rpc::ReadFile(options.devices));
  if (!shadows.Parse(shadow) || !devices.Parse(list)) {
    return absl::InvalidArgumentError("an answer is not a message of its method");
  }
  HP_ASSIGN_OR_RETURN(
      const std::unique_ptr<rpc::Server> server,
      rpc::Server::Start(
          {.listen = options.listen, .tls_cert = options.tls_cert, .tls_key = options.tls_key},
          {&shadows, &devices}));
  (void)stop.Wait();
  return absl::OkStatus();
}

}  // namespace homeport::bench
