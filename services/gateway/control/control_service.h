#pragma once

#include <memory>
#include <string>
#include <vector>

#include "homeport/control/v1/control.grpc.pb.h"
#include "libs/rpc/call_auth.h"
#include "services/gateway/control/control_convert.h"
#include "services/gateway/control/control_probe.h"
#include "services/gateway/control/watch_stream.h"
#include "services/gateway/identity/directory.h"
#include "services/gateway/identity/newcomers.h"
#include "services/gateway/shard.h"

namespace homeport::gateway {

// ControlService (proto/homeport/control/v1/control.proto). Each call is: who asks → which device
// and model → the command, on the shard of the device's name → the answer. Nothing blocks: gRPC's
// threads only convert. Thread-safe.
class ControlService final : public control::v1::ControlService::CallbackService {
 public:
  // All are borrowed and must outlive the service.
  ControlService(std::vector<std::unique_ptr<Shard>>& shards, const GatewayConfig& config,
                 Directory& directory, const rpc::CallAuth& auth, ControlProbe& probe)
      : shards_(shards),
        config_(config),
        directory_(directory),
        newcomers_(shards, directory),
        auth_(auth),
        probe_(probe) {}

  grpc::ServerUnaryReactor* GetProperties(grpc::CallbackServerContext* context,
                                          const control::v1::GetPropertiesRequest* request,
                                          control::v1::GetPropertiesResponse* response) override;
  grpc::ServerUnaryReactor* SetProperties(grpc::CallbackServerContext* context,
                                          const control::v1::SetPropertiesRequest* request,
                                          control::v1::SetPropertiesResponse* response) override;
  grpc::ServerUnaryReactor* InvokeAction(grpc::CallbackServerContext* context,
                                         const control::v1::InvokeActionRequest* request,
                                         control::v1::InvokeActionResponse* response) override;
  grpc::ServerWriteReactor<control::v1::WatchEvent>* Watch(
      grpc::CallbackServerContext* context, const control::v1::WatchRequest* request) override;

  // Sends every open Watch a heartbeat; called every few seconds.
  void Heartbeat();

 private:
  // Lives as long as its product, which a change of the directory replaces.
  using SharedModel = std::shared_ptr<const model::Model>;
  struct Target {
    std::string tenant;
    std::string device;
    std::string hub = {};       // whose child it is; empty: nobody's
    int64_t model_version = 0;  // which it says it runs
    Directory::Product product = nullptr;
    SharedModel model = nullptr;  // which it runs; null: none
  };
  using OnTarget = absl::AnyInvocable<void(absl::StatusOr<Target>)>;
  // What a device is asked, and what its answer is about.
  struct Command {
    std::string_view verb;  // static text
    std::string json;
    Asked asked;
    int64_t timeout_ms = 0;
    std::string_view request_id = {};  // carried out once; empty: each time
  };
  using OnReply = absl::AnyInvocable<void(absl::StatusOr<DeviceReply>)>;

  // The device a name means, if the caller may have it.
  void FindTarget(const grpc::CallbackServerContext& context, const std::string& name,
                  OnTarget done);
  void FindProduct(const std::string& product, Target target, OnTarget done);
  // REQUIRES: the target has a model.
  void SendCommand(const Target& target, Command command, OnReply done);
  void Refuse(grpc::ServerUnaryReactor* call, std::string_view method, const grpc::Status& status);
  void Refuse(WatchStream* stream, const grpc::Status& status);
  [[nodiscard]] Shard& ShardOf(const std::string& device);
  void StartWatch(WatchStream* stream, std::vector<std::string> devices);
  void GetFromShadow(grpc::ServerUnaryReactor* call,
                     const control::v1::GetPropertiesRequest* request,
                     control::v1::GetPropertiesResponse* response, Target target);
  void GetFromDevice(grpc::ServerUnaryReactor* call, const grpc::CallbackServerContext& context,
                     const control::v1::GetPropertiesRequest* request,
                     control::v1::GetPropertiesResponse* response, Target target);

  std::vector<std::unique_ptr<Shard>>& shards_;
  const GatewayConfig& config_;
  Directory& directory_;
  Newcomers newcomers_;
  const rpc::CallAuth& auth_;
  ControlProbe& probe_;
  absl::Mutex mutex_;
  std::vector<std::weak_ptr<WatchQueue>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::gateway
