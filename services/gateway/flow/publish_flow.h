#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "libs/auth/topic_policy.h"
#include "libs/mqtt/publish_view.h"
#include "services/gateway/flow/publish_acks.h"
#include "services/gateway/flow/things.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

class CommandTable;
class PubSub;

inline constexpr uint16_t kTopicAliasMax = 10;  // as CONNACK says

// PUBLISH from a device: classify → append to the uplink → acknowledge when Redis has answered.
// This is the data path: no lock, no log line and no allocation but the batch's own growth, unless
// something is refused. Shard's thread only.
class PublishFlow {
 public:
  PublishFlow(ShardContext& context, CommandTable& commands, Things& things, const PubSub& pub_sub)
      : c_(context), commands_(commands), things_(things), pub_sub_(pub_sub), acks_(context) {}

  FrameOutcome OnPublish(Session& session, const mqtt::Frame& frame);
  // A batch is in Redis: sends its acknowledgements, and reads on where that was waited for.
  void OnAppended(std::span<const OwedAck> acks);
  // The client left without DISCONNECT: its will goes up like a publish of its own, but of no
  // session: it is no sign of life.
  // `then`: once it is in its stream, or refused.
  void PublishWill(const Identity& identity, const StoredWill& will,
                   absl::AnyInvocable<void()> then);
  [[nodiscard]] PublishAcks& acks() { return acks_; }

 private:
  // What becomes of a publish whose topic is not its own: counted, logged, acknowledged with a
  // reason in version 5 and plainly in 3.1.1 [MQTT-3.3.5-2]; the session lives.
  void RefuseTopic(Session& session, const mqtt::PublishView& publish);
  // A child that answers a command lives.
  void NoteChild(const Session& session, std::string_view child);
  // Whom a publish concerns.
  struct Subject {
    std::string_view device;      // the session's own, or a thing that it may use
    std::string_view child = {};  // of the session's device, for which the hub speaks
  };
  void Append(Session& session, const mqtt::PublishView& publish, const auth::Topic& topic,
              const Subject& subject);
  // Whether the client can be told that nobody on this pod follows the topic.
  [[nodiscard]] bool GoesUnheard(const Session& session, const mqtt::PublishView& publish) const;
  // To other clients. The packet's topic may be an alias: `topic` is what it stands for.
  void Broadcast(Session& session, const mqtt::PublishView& publish);
  // Fills in or learns the topic of an alias; false when the session was closed for it.
  [[nodiscard]] bool ResolveAlias(Session& session, mqtt::PublishView& publish);
  void ResumeBlocked();
  [[nodiscard]] bool Full() const;
  [[nodiscard]] bool IsOverloaded() const;
  [[nodiscard]] BusMessage MessageOf(const Session& session,
                                     const mqtt::PublishView& publish) const;
  [[nodiscard]] bool WithinTenantRate(const Session& session) const;
  [[nodiscard]] bool RefuseRate(Session& session, const mqtt::PublishView& publish);
  void RefuseQos0(const Session& session, const mqtt::PublishView& publish,
                  std::string_view reason);
  // What follows a publish that is done with, by the session's own rate.
  [[nodiscard]] FrameOutcome Paced(Session& session, const mqtt::Frame& frame) const {
    c_.traffic.FromClient(session.handle(), frame.total_bytes);
    return c_.io.WithinRate(session, frame.total_bytes) ? FrameOutcome::kConsumed
                                                        : FrameOutcome::kPause;
  }

  ShardContext& c_;
  CommandTable& commands_;
  Things& things_;
  const PubSub& pub_sub_;
  PublishAcks acks_;
  std::deque<SessionHandle> blocked_;  // paused because the uplink or the bus was full
};

}  // namespace homeport::gateway
