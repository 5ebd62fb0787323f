#include "services/gateway/mqtt_server.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/log.h"
#include "services/gateway/flow/client_packet.h"
#include "services/gateway/flow/session_uplink.h"
#include "services/gateway/session/client_key.h"

namespace homeport::gateway {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;

constexpr std::string_view kPingresp("\xd0\x00", 2);
constexpr uint32_t kVerifyBatch = 128;   // slots; the lease is renewed between them
constexpr int64_t kVerifyPauseMs = 100;  // while Redis is away

}  // namespace

FrameOutcome MqttServer::OnFrame(Session& session, const mqtt::Frame& frame) {
  if (session.phase == Phase::kAwaitConnect) {
    if (frame.type == PacketType::kConnect) return connect_.OnConnect(session, frame);
    return Refuse(session, ReasonCode::kProtocolError,
                  "the first packet is not CONNECT");  // [MQTT-3.1.0-1]
  }
  if (session.phase != Phase::kOnline) {
    return Refuse(session, ReasonCode::kProtocolError, "a packet of a session that is not online");
  }
  switch (frame.type) {
    case PacketType::kPublish:
      return publish_.OnPublish(session, frame);
    case PacketType::kPuback:
      return delivery_.OnPuback(session, frame);
    case PacketType::kPubrec:
      return delivery_.OnPubrec(session, frame);
    case PacketType::kPubcomp:
      return delivery_.OnPubcomp(session, frame);
    case PacketType::kPubrel:
      return publish_.acks().OnPubrel(session, frame);
    case PacketType::kPingreq:
      if (!frame.body.empty())
        return Refuse(session, ReasonCode::kMalformedPacket, "PINGREQ with a body");
      c_.io.Send(session, kPingresp);
      return Paced(session, frame, FrameOutcome::kConsumed);
    case PacketType::kSubscribe:
      return Paced(session, frame, subscribe_.OnSubscribe(session, frame));
    case PacketType::kUnsubscribe:
      return Paced(session, frame, subscribe_.OnUnsubscribe(session, frame));
    case PacketType::kDisconnect:
      return OnDisconnect(session, frame);
    default:
      return Refuse(session, ReasonCode::kProtocolError,
                    "a packet that is not the client's to send now");
  }
}

// Each is answered. One that pauses the session waits for that answer already.
FrameOutcome MqttServer::Paced(Session& session, const mqtt::Frame& frame, FrameOutcome outcome) {
  if (outcome != FrameOutcome::kConsumed || !session.is_open()) return outcome;
  return c_.io.WithinRate(session, frame.total_bytes) ? outcome : FrameOutcome::kPause;
}

FrameOutcome MqttServer::OnDisconnect(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  const auto* disconnect = ReadPacket<mqtt::Disconnect>(c_, session, frame, packet);
  if (disconnect == nullptr) return FrameOutcome::kConsumed;
  if (const auto expiry_s = disconnect->properties.session_expiry_s) {
    if (session.kept() == nullptr || session.kept()->expiry_s == 0) {
      if (*expiry_s > 0)
        return Refuse(session, ReasonCode::kProtocolError,
                      "a session expiry that CONNECT had as 0");
    } else {
      session.kept()->expiry_s = std::min(*expiry_s, c_.config.session_expiry_s_max);
    }
  }
  if (disconnect->reason == ReasonCode::kSuccess) keeper_.ForgetWill(session);  // [MQTT-3.14.4-3]
  c_.io.Close(session, {"CLIENT_INITIATED_DISCONNECT", {}, "DISCONNECT received"});
  return FrameOutcome::kConsumed;
}

FrameOutcome MqttServer::Refuse(Session& session, ReasonCode reason, std::string_view what) {
  c_.probe.Refuse(mqtt::Name(reason));
  log::Refusal(mqtt::Name(reason), {{"device", session.identity ? session.identity->device : ""},
                                    {"peer", c_.io.PeerOf(session)},
                                    {"why", what}});
  c_.io.Close(session, {"CLIENT_ERROR", reason, what});
  return FrameOutcome::kConsumed;
}

void MqttServer::OnClosed(Session& session, const CloseCause& cause) {
  connect_.Forget(session);
  if (session.phase >= Phase::kClaiming && session.identity->product) {
    session.identity->product->usage->Leave();
  }
  if (session.phase == Phase::kClaiming) c_.ownership.Release(*session.identity, session.handle());
  if (session.phase != Phase::kOnline) return;
  c_.probe.sessions.Add(-1);
  if (cause.word != "CLIENT_INITIATED_DISCONNECT" && !session.taken_over) {
    log::Refusal("session_ended", {{"device", session.identity->device},
                                   {"client", session.identity->client},
                                   {"cause", cause.word},
                                   {"detail", cause.detail}});
  }
  delivery_.puback_waits().Ended(session.handle());
  c_.ends.Note({ClientKey(session.identity->device, session.identity->client),
                c_.reactor.wall().value, cause.word, cause.reason});
  lifecycle_.Disconnected(session, cause.word);
  keeper_.End(session, cause);
  pub_sub_.Forget(session);
  // The newer session may be of other things: it is told by its epoch which of them it has joined.
  things_.SayDisconnected(session, cause.word);
  // After a take-over the newer session speaks for the device: its presence does not flicker.
  if (session.taken_over && !session.successor_left) return;
  AppendDisconnected(c_, session, session.identity->device, cause.word);
  c_.ownership.Release(*session.identity, session.handle());
}

void MqttServer::OnDeliver(const internal::v1::Deliver& item) {
  if (item.first() && c_.config.anonymous) {
    BusMessage message;
    message.set_topic(item.topic());
    message.set_payload(item.payload());
    message.set_qos(item.qos());
    message.set_received_ms(c_.reactor.wall().value);
    message.set_answer(true);
    c_.bus.Publish(message, {});
  }
  const SessionHandle session = SessionHandle::FromPacked(item.session());
  const Delivery::Message message{item.topic(), item.payload(), static_cast<int>(item.qos())};
  const bool is_typed = item.topic().starts_with("device/");
  static_cast<void>(is_typed ? delivery_.DeliverTyped(session, item.epoch(), message)
                             : delivery_.Deliver(session, item.epoch(), message));
}

void MqttServer::OnKick(const internal::v1::Kick& item) {
  const auto reason = static_cast<ReasonCode>(item.reason());
  const SessionHandle handle = SessionHandle::FromPacked(item.session());
  if (reason == ReasonCode::kSessionTakenOver) {
    const ConnectFlow::Successor successor{item.resumed(), item.successor_left()};
    if (item.answer_pod().empty()) return connect_.TakeOver(handle, item.epoch(), successor);
    return connect_.TakeOver(handle, item.epoch(), successor,
                             [this, pod = item.answer_pod(),
                              to = item.answer_session()](std::span<const uint16_t> received) {
                               internal::v1::InboxItem answer;
                               answer.mutable_kicked()->set_session(to);
                               for (const uint16_t id : received) {
                                 answer.mutable_kicked()->add_received(id);
                               }
                               c_.outbox.Add(pod, std::move(answer));
                             });
  }
  Session* session = c_.io.sessions().Find(handle);
  if (session == nullptr || session->epoch != item.epoch()) {
    c_.probe.stale_epochs.Increment();
    return;
  }
  c_.io.Close(*session, {"API_INITIATED_DISCONNECT", reason, "disconnected by the registry"});
}

void MqttServer::OnKicked(const internal::v1::Kicked& item) {
  const SessionHandle handle = SessionHandle::FromPacked(item.session());
  const std::vector<uint16_t> received(item.received().begin(), item.received().end());
  publish_.acks().OnFormerEnded(handle, received);
  pub_sub_.OnFormerEnded(handle);
}

void MqttServer::VerifyOwnership() {
  verify_again_ = verifying_;
  if (!std::exchange(verifying_, true)) VerifyFrom(0);
}

void MqttServer::VerifyFrom(uint32_t first) {
  if (!redis_.connected()) {
    c_.reactor.After(kVerifyPauseMs, [this, first] { VerifyFrom(first); });
    return;
  }
  const uint32_t end = std::min(first + kVerifyBatch, c_.io.sessions().slots());
  for (uint32_t index = first; index < end; ++index) {
    Session& session = c_.io.sessions().At(index);
    if (session.is_away()) keeper_.Verify(session);
    if (session.phase != Phase::kOnline) continue;
    c_.ownership.Verify(*session.identity, session.handle(), session.epoch,
                        [this, handle = session.handle()](const absl::StatusOr<Claim>& claim) {
                          OnVerified(handle, claim);
                        });
  }
  // Answered behind them: a million sessions of a fleet leave Redis room for other things.
  redis_.Send({"PING"}, [this, first, end](const redis::Reply& reply) {
    reply.lost() ? VerifyFrom(first) : OnBatchVerified(end);
  });
}

void MqttServer::OnBatchVerified(uint32_t next) {
  if (next < c_.io.sessions().slots()) return VerifyFrom(next);
  verifying_ = false;
  if (std::exchange(verify_again_, false)) VerifyOwnership();
}

void MqttServer::OnVerified(SessionHandle handle, const absl::StatusOr<Claim>& claim) {
  Session* session = c_.io.sessions().Find(handle);
  if (session == nullptr || session->phase != Phase::kOnline) return;
  if (absl::IsAborted(claim.status())) {
    return connect_.TakeOver(handle, session->epoch, {.resumed = true});
  }
  if (!claim.ok()) return;
  const bool is_renewed = claim->epoch != session->epoch;
  if (is_renewed) {
    keeper_.Renew(*session, claim->epoch);
  } else {
    keeper_.VerifyWill(*session, session->epoch);
  }
  if (session->kept() != nullptr) VerifyKept(*session);
  if (!is_renewed) return;
  AppendConnected(c_, *session, session->identity->device);
  lifecycle_.Connected(*session);
  things_.SayConnected(*session);
}

// Another pod may have adopted what is kept of the session, though nobody has claimed its client
// id.
void MqttServer::VerifyKept(const Session& session) {
  c_.store.Write(
      session, {},
      [this, handle = session.handle(), epoch = session.epoch](SessionStore::Written how) {
        if (how != SessionStore::Written::kNotOurs) return;
        connect_.TakeOver(handle, epoch, {.resumed = true});
      });
}

}  // namespace homeport::gateway
