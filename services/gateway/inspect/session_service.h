#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "homeport/session/v1/session.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/call_auth.h"
#include "services/gateway/control/control_probe.h"
#include "services/gateway/identity/directory.h"
#include "services/gateway/identity/newcomers.h"
#include "services/gateway/inspect/session_lists.h"
#include "services/gateway/shard.h"

namespace homeport::gateway {

// SessionService (proto/homeport/session/v1/session.proto): who asks → which session → the pod that
// has it, or all pods, through a shard → the answer. Nothing blocks. Thread-safe.
class SessionService final : public session::v1::SessionService::CallbackService {
 public:
  // All are borrowed and must outlive the service.
  SessionService(std::vector<std::unique_ptr<Shard>>& shards, const GatewayConfig& config,
                 Directory& directory, const rpc::CallAuth& auth, ControlProbe& probe)
      : shards_(shards),
        config_(config),
        directory_(directory),
        newcomers_(shards, directory),
        auth_(auth),
        probe_(probe) {}

  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const session::v1::GetSessionRequest* request,
                                       session::v1::Session* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const session::v1::ListSessionsRequest* request,
                                         session::v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* DisconnectSession(
      grpc::CallbackServerContext* context, const session::v1::DisconnectSessionRequest* request,
      session::v1::DisconnectSessionResponse* response) override;
  grpc::ServerUnaryReactor* PublishToSession(
      grpc::CallbackServerContext* context, const session::v1::PublishToSessionRequest* request,
      session::v1::PublishToSessionResponse* response) override;
  grpc::ServerUnaryReactor* ListTopTalkers(grpc::CallbackServerContext* context,
                                           const session::v1::ListTopTalkersRequest* request,
                                           session::v1::ListTopTalkersResponse* response) override;
  grpc::ServerUnaryReactor* ListSlowConsumers(
      grpc::CallbackServerContext* context, const session::v1::ListSlowConsumersRequest* request,
      session::v1::ListSlowConsumersResponse* response) override;

 private:
  using Answer = internal::v1::SessionAnswer;
  using OnAnswer = absl::AnyInvocable<void(const Answer&)>;
  struct Subject {
    std::string name;  // as the caller said it
    std::string tenant;
    std::string device;
    std::string client;
    std::string caller;
  };
  using OnSubject = absl::AnyInvocable<void(absl::StatusOr<Subject>)>;

  // One call under way.
  struct Call {
    grpc::ServerUnaryReactor* reactor;
    std::string_view method;
    int64_t timeout_ms;
    int64_t pod_ms = std::numeric_limits<int64_t>::max();  // of that for the session's pod, at most
    int64_t begun_us = MonotonicMicros();
    [[nodiscard]] int64_t MsLeft() const {
      return std::max<int64_t>(timeout_ms - (MonotonicMicros() - begun_us) / 1000, 1);
    }
  };
  void Refuse(const Call& call, const absl::Status& status);
  // The session that a name means, if the caller may have it.
  void FindSubject(const grpc::CallbackServerContext& context, const std::string& name,
                   OnSubject done);
  // Ends with `done` where the device is the tenant's own.
  void CheckDevice(const std::string& device, int64_t wait_ms, Subject subject, OnSubject done);
  // Asks the pod that has the session; `on_done` hears of success only.
  void Ask(const Call& call, absl::StatusOr<Subject> subject, internal::v1::SessionCall question,
           OnAnswer on_done);
  void AddFormerEnd(const Call& call, session::v1::Session* response);
  void ListOfDevice(const Call& call, const grpc::CallbackServerContext& context,
                    const session::v1::ListSessionsRequest* request,
                    session::v1::ListSessionsResponse* response);
  // The tenant that `parent` names, if it is the caller's.
  [[nodiscard]] absl::StatusOr<std::string> FindTenant(const grpc::CallbackServerContext& context,
                                                       const std::string& parent) const;
  // Lists by what `kind` says into a response of `sessions` and `unreachable`.
  template <typename Request, typename Response>
  void ListMost(const Call& call, const grpc::CallbackServerContext& context,
                const Request& request, absl::StatusOr<internal::v1::ScanSessions::Kind> kind,
                Response* response);
  [[nodiscard]] Shard& ShardOf(const std::string& device);
  [[nodiscard]] Shard& AnyShard() { return *shards_[next_shard_++ % shards_.size()]; }

  std::vector<std::unique_ptr<Shard>>& shards_;
  const GatewayConfig& config_;
  Directory& directory_;
  Newcomers newcomers_;
  const rpc::CallAuth& auth_;
  ControlProbe& probe_;
  std::atomic<size_t> next_shard_ = 0;
};

}  // namespace homeport::gateway
