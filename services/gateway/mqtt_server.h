#pragma once

#include "services/gateway/control/command_table.h"
#include "services/gateway/flow/connect_flow.h"
#include "services/gateway/flow/delivery.h"
#include "services/gateway/flow/publish_flow.h"
#include "services/gateway/flow/subscribe_flow.h"
#include "services/gateway/inspect/lifecycle.h"
#include "services/gateway/inspect/session_calls.h"
#include "services/gateway/ownership/session_keeper.h"
#include "services/gateway/pubsub/pub_sub.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// The MQTT side of a shard: hands each packet to its flow, and ends sessions properly. Shard's
// thread only.
class MqttServer final {
 public:
  MqttServer(ShardContext& context, redis::Client& redis)
      : c_(context),
        redis_(redis),
        delivery_(context),
        pub_sub_(context, redis, delivery_),
        commands_(context, delivery_),
        session_calls_(context, delivery_),
        things_(context),
        publish_(context, commands_, things_, pub_sub_),
        lifecycle_(context, redis, pub_sub_),
        subscribe_(context, pub_sub_, things_, lifecycle_),
        keeper_(context, pub_sub_, delivery_, publish_, subscribe_),
        connect_(context, keeper_, lifecycle_, publish_.acks()) {}

  FrameOutcome OnFrame(Session& session, const mqtt::Frame& frame);
  void OnClosed(Session& session, const CloseCause& cause);

  // Items of the inbox that concern sessions.
  void OnDeliver(const internal::v1::Deliver& item);
  void OnKick(const internal::v1::Kick& item);
  void OnKicked(const internal::v1::Kicked& item);

  [[nodiscard]] CommandTable& commands() { return commands_; }
  [[nodiscard]] SessionCalls& session_calls() { return session_calls_; }
  [[nodiscard]] ConnectFlow& connect() { return connect_; }
  [[nodiscard]] PublishFlow& publish() { return publish_; }
  [[nodiscard]] PubSub& pub_sub() { return pub_sub_; }
  [[nodiscard]] Lifecycle& lifecycle() { return lifecycle_; }
  [[nodiscard]] SessionKeeper& keeper() { return keeper_; }

  // Checks the ownership of every session after this pod's lease had lapsed, a few at a time.
  void VerifyOwnership();

 private:
  FrameOutcome Paced(Session& session, const mqtt::Frame& frame, FrameOutcome outcome);
  FrameOutcome OnDisconnect(Session& session, const mqtt::Frame& frame);
  FrameOutcome Refuse(Session& session, mqtt::ReasonCode reason, std::string_view what);
  void VerifyFrom(uint32_t first);
  void OnBatchVerified(uint32_t next);
  void OnVerified(SessionHandle handle, const absl::StatusOr<Claim>& claim);
  void VerifyKept(const Session& session);

  ShardContext& c_;
  redis::Client& redis_;
  Delivery delivery_;
  PubSub pub_sub_;
  CommandTable commands_;
  SessionCalls session_calls_;
  Things things_;
  PublishFlow publish_;
  Lifecycle lifecycle_;
  SubscribeFlow subscribe_;
  SessionKeeper keeper_;
  ConnectFlow connect_;
  bool verifying_ = false;
  bool verify_again_ = false;  // behind that
};

}  // namespace homeport::gateway
