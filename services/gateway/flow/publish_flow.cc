#include "services/gateway/flow/publish_flow.h"

#include <algorithm>
#include <utility>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/log.h"
#include "libs/mqtt/decode.h"
#include "services/gateway/control/command_table.h"
#include "services/gateway/flow/client_packet.h"
#include "services/gateway/flow/hub_rights.h"
#include "services/gateway/flow/permissions.h"
#include "services/gateway/flow/session_uplink.h"
#include "services/gateway/ownership/receipts.h"
#include "services/gateway/pubsub/pub_sub.h"

namespace homeport::gateway {
namespace {

using mqtt::Qos;
using mqtt::ReasonCode;

routing::UplinkKind KindOf(auth::TopicClass topic_class) {
  switch (topic_class) {
    case auth::TopicClass::kUpEvent:
      return routing::UplinkKind::kEvent;
    case auth::TopicClass::kUpTelemetry:
      return routing::UplinkKind::kTelemetry;
    case auth::TopicClass::kUpTopology:
      return routing::UplinkKind::kTopology;
    case auth::TopicClass::kShadowGet:
      return routing::UplinkKind::kShadowGet;
    case auth::TopicClass::kShadowUpdate:
      return routing::UplinkKind::kShadowUpdate;
    case auth::TopicClass::kShadowDelete:
      return routing::UplinkKind::kShadowDelete;
    case auth::TopicClass::kProvisioning:
      return routing::UplinkKind::kProvision;
    default:
      return routing::UplinkKind::kProperties;
  }
}

bool IsShadowRequest(auth::TopicClass topic_class) {
  return topic_class == auth::TopicClass::kShadowGet ||
         topic_class == auth::TopicClass::kShadowUpdate ||
         topic_class == auth::TopicClass::kShadowDelete;
}

// For a session that outlives its connection: that its publish is in its stream.
std::string ReceiptOf(const Session& session, const mqtt::PublishView& publish) {
  if (publish.qos != Qos::kExactlyOnce || session.kept() == nullptr) return {};
  return MakeReceipt(*session.identity, session.epoch,
                     {publish.packet_id, session.kept()->received});
}

// The request with who makes it: an anonymous client is nobody.
std::string WrapProvision(const Identity& identity, bool anonymous, std::string_view payload) {
  internal::v1::ProvisionRequest request;
  request.set_payload(payload.data(), payload.size());
  if (identity.certificate) {
    request.set_certificate(identity.certificate->id());
    request.set_tenant(identity.certificate->tenant());
    request.set_template_(identity.certificate->template_());
  } else if (identity.product) {
    request.set_tenant(identity.product->tenant);
  }
  if (!identity.claim && !anonymous) request.set_device(identity.device);
  return request.SerializeAsString();
}

}  // namespace

FrameOutcome PublishFlow::OnPublish(Session& session, const mqtt::Frame& frame) {
  const mqtt::DecodeOptions options = DecodeOptionsOf(c_.config, session.version);
  mqtt::PublishView publish;
  if (const mqtt::DecodeError error = mqtt::DecodePublishView(frame, options, &publish)) {
    RefusePacket(c_, session, error);
    return FrameOutcome::kConsumed;
  }
  if (!ResolveAlias(session, publish)) return FrameOutcome::kConsumed;
  if (publish.qos != Qos::kAtMostOnce) {
    if (const FrameOutcome outcome = acks_.CheckWindow(session, publish);
        outcome != FrameOutcome::kConsumed) {
      return outcome;
    }
    if (!session.is_open()) return FrameOutcome::kConsumed;
    if (acks_.HasReceived(session, publish)) {  // whatever is allowed now [MQTT-4.3.3-10]
      acks_.Answer(session, publish, ReasonCode::kSuccess);
      return Paced(session, frame);
    }
  }
  if (publish.qos == Qos::kAtMostOnce && IsOverloaded()) {
    RefuseQos0(session, publish, "overload_qos0");
    return Paced(session, frame);
  }
  const std::string_view thing = things_.OfTopic(session, publish.topic);
  const std::string_view device = thing.empty() ? session.identity->device : thing;
  auth::Topic topic = auth::Classify(publish.topic, device);
  const std::string_view child = ChildOf(session, publish.topic, topic);
  const bool broadcast =
      !Things::NamesNone(publish.topic) &&
      MayBroadcast(c_.config, *session.identity, topic.topic_class, publish.topic, publish.retain);
  const bool own = session.identity->claim ? topic.topic_class == auth::TopicClass::kProvisioning
                                           : auth::MayPublish(topic.topic_class);
  if (!broadcast && !own) {
    RefuseTopic(session, publish);
  } else if (topic.topic_class == auth::TopicClass::kUpReply) {
    commands_.OnReply({session.identity->device, child},
                      {topic.detail, publish.payload, topic.cbor});
    NoteChild(session, child);
    acks_.Answer(session, publish, ReasonCode::kSuccess);
  } else if (Full() && publish.qos == Qos::kAtMostOnce) {
    RefuseQos0(session, publish, "uplink_full_qos0");
  } else if (Full()) {
    c_.probe.backpressure_pauses.Increment();
    blocked_.push_back(session.handle());
    return FrameOutcome::kRetry;
  } else if (!WithinTenantRate(session)) {
    if (!RefuseRate(session, publish)) return FrameOutcome::kRetry;
  } else if (broadcast) {
    Broadcast(session, publish);
  } else {
    Append(session, publish, topic, {device, child});
  }
  return Paced(session, frame);
}

// QoS 0 is shed while the reactor can hardly keep up.
bool PublishFlow::IsOverloaded() const {
  return c_.reactor.lag_us() > int64_t{c_.config.overload_lag_ms} * 2000;
}

void PublishFlow::RefuseQos0(const Session& session, const mqtt::PublishView& publish,
                             std::string_view reason) {
  c_.probe.Refuse(reason);
  log::Refusal("publish_dropped", {{"device", session.identity->device},
                                   {"topic", publish.topic},
                                   {"reason", reason},
                                   {"next", "QoS 0 is not kept"}});
}

bool PublishFlow::WithinTenantRate(const Session& session) const {
  const auto& product = session.identity->product;
  return !product ||
         product->usage->TakeMessage(c_.io.now_s(), c_.config.tenant_messages_per_second);
}

// Version 5 is told; before it a publish that is not taken cannot be answered, so the client waits:
// false, the frame is to be offered again.
bool PublishFlow::RefuseRate(Session& session, const mqtt::PublishView& publish) {
  c_.probe.Refuse("tenant_messages_per_second");
  log::Refusal("publish_refused", {{"tenant", session.identity->product->tenant},
                                   {"device", session.identity->device},
                                   {"limit", "tenant_messages_per_second"}});
  if (publish.qos == Qos::kAtMostOnce) return true;
  if (session.version == mqtt::Version::k5) {
    acks_.Answer(session, publish, ReasonCode::kQuotaExceeded);
    return true;
  }
  c_.io.RetryNextSecond(session);
  return false;
}

void PublishFlow::Append(Session& session, const mqtt::PublishView& publish,
                         const auth::Topic& topic, const Subject& subject) {
  const bool is_own = subject.device == session.identity->device;
  if (!is_own && !things_.Join(session, subject.device)) {
    return acks_.Answer(session, publish, ReasonCode::kQuotaExceeded);
  }
  // A child's messages have a partition of their own.
  const bool is_own_stream = is_own && subject.child.empty();
  const auto ack = acks_.Owe(
      session, publish, is_own_stream ? PublishAcks::Stream::kOwn : PublishAcks::Stream::kOther);
  if (!ack) return;
  routing::Uplink message = UplinkOf(c_, session, KindOf(topic.topic_class), subject.device);
  message.detail = topic.detail;
  message.payload = publish.payload;
  std::string wrapped;
  if (topic.topic_class == auth::TopicClass::kProvisioning) {
    wrapped = WrapProvision(*session.identity, c_.config.anonymous, publish.payload);
    message.payload = wrapped;
  }
  message.dup = publish.dup;
  message.cbor = topic.cbor;
  if (!subject.child.empty()) {
    message.device = subject.child;
    message.hub = subject.device;
  }
  const std::string receipt = ReceiptOf(session, publish);
  message.once = !receipt.empty();
  c_.uplink.Append(message, *ack, receipt);
  c_.probe.publishes.Increment();
  if (c_.config.anonymous && IsShadowRequest(topic.topic_class)) {
    BusMessage echo = MessageOf(session, publish);
    echo.set_retain(false);
    c_.bus.Publish(echo, {});
  }
}

bool PublishFlow::Full() const { return c_.uplink.Full() || c_.bus.Full(); }

bool PublishFlow::ResolveAlias(Session& session, mqtt::PublishView& publish) {
  if (publish.topic_alias == 0) return true;
  std::vector<std::string>& aliases = session.Cold().topic_aliases;
  const size_t index = publish.topic_alias - 1u;
  const bool known = index < aliases.size() && !aliases[index].empty();
  if (index >= kTopicAliasMax || (publish.topic.empty() && !known)) {
    const auto reason =
        index >= kTopicAliasMax ? ReasonCode::kTopicAliasInvalid : ReasonCode::kProtocolError;
    c_.probe.Refuse(mqtt::Name(reason));
    c_.io.Close(session, {"CLIENT_ERROR", reason, "topic alias"});
    return false;
  }
  if (publish.topic.empty()) {
    publish.topic = aliases[index];
    return true;
  }
  if (aliases.size() <= index) aliases.resize(index + 1);
  aliases[index] = std::string(publish.topic);
  return true;
}

BusMessage PublishFlow::MessageOf(const Session& session, const mqtt::PublishView& publish) const {
  BusMessage message;
  message.set_topic(std::string(publish.topic));
  message.set_payload(std::string(publish.payload));
  message.set_qos(static_cast<uint32_t>(publish.qos));
  message.set_retain(publish.retain);
  mqtt::AppendForwardedProperties(publish.property_bytes, mqtt::PlaceOf(mqtt::PacketType::kPublish),
                                  message.mutable_properties());
  if (publish.message_expiry_s) message.set_expiry_s(*publish.message_expiry_s);
  message.set_received_ms(c_.reactor.wall().value);
  message.set_device(session.identity->device);
  message.set_client(session.identity->client);
  return message;
}

void PublishFlow::Broadcast(Session& session, const mqtt::PublishView& publish) {
  std::optional<OwedAck> ack = acks_.Owe(session, publish, PublishAcks::Stream::kOther);
  if (!ack) return;
  if (GoesUnheard(session, publish)) ack->reason = ReasonCode::kNoMatchingSubscribers;
  c_.bus.Publish(MessageOf(session, publish), *ack, ReceiptOf(session, publish));
  c_.probe.publishes.Increment();
}

bool PublishFlow::GoesUnheard(const Session& session, const mqtt::PublishView& publish) const {
  return c_.config.tell_no_subscribers && publish.qos == Qos::kAtLeastOnce &&
         session.version == mqtt::Version::k5 && !pub_sub_.HasSubscriber(publish.topic);
}

void PublishFlow::NoteChild(const Session& session, std::string_view child) {
  if (child.empty() || Full()) return;
  const std::string_view hub = session.identity->device;
  routing::Uplink message = UplinkOf(c_, session, routing::UplinkKind::kReplied, hub);
  message.device = child;
  message.hub = hub;
  c_.uplink.Append(message, {});
}

void PublishFlow::RefuseTopic(Session& session, const mqtt::PublishView& publish) {
  c_.probe.Refuse("topic_not_authorized");
  log::Refusal("publish_refused", {{"device", session.identity->device},
                                   {"topic", publish.topic},
                                   {"reason", "topic_not_authorized"}});
  acks_.Answer(session, publish, ReasonCode::kNotAuthorized);
}

void PublishFlow::OnAppended(std::span<const OwedAck> acks) {
  acks_.Send(acks);
  // Not at once: another session's input may be under way.
  if (!blocked_.empty() && !Full()) c_.reactor.Defer([this] { ResumeBlocked(); });
}

void PublishFlow::ResumeBlocked() {
  std::deque<SessionHandle> blocked;
  blocked.swap(blocked_);
  while (!blocked.empty()) {
    const SessionHandle handle = blocked.front();
    blocked.pop_front();
    if (Full()) {
      blocked_.push_back(handle);
    } else if (Session* session = c_.io.sessions().Find(handle)) {
      c_.io.Resume(*session);
    }
  }
}

void PublishFlow::PublishWill(const Identity& identity, const StoredWill& will,
                              absl::AnyInvocable<void()> then) {
  const std::string& name = will.message.topic();
  const auth::Topic topic = auth::Classify(name, identity.device);
  // Whether the client may was asked when it connected; its product is not known here any more.
  if (topic.topic_class == auth::TopicClass::kGeneral ||
      MayBroadcast(c_.config, identity, topic.topic_class, name, will.message.retain())) {
    BusMessage message = will.message;
    message.set_received_ms(c_.reactor.wall().value);
    message.set_device(identity.device);
    message.set_client(identity.client);
    c_.bus.Publish(message, {});
    return c_.bus.AfterAppended(c_.bus.PartitionOf(name), std::move(then));
  }
  // As AWS has it, the shadow service takes nothing from the dead (AWS IoT shadows).
  const bool reserved = !name.empty() && name.front() == '$';
  if (reserved || identity.claim || !auth::MayPublish(topic.topic_class) ||
      topic.topic_class == auth::TopicClass::kUpReply) {
    c_.probe.Refuse("will_topic_not_authorized");
    log::Refusal("will_refused", {{"device", identity.device}, {"topic", will.message.topic()}});
    return then();
  }
  routing::Uplink message;
  message.kind = KindOf(topic.topic_class);
  message.device = identity.device;
  message.received_ms = c_.reactor.wall().value;
  message.detail = topic.detail;
  message.payload = will.message.payload();
  message.cbor = topic.cbor;
  if (identity.client != identity.device) message.client = identity.client;
  c_.uplink.Append(message, {});
  c_.uplink.AfterAppended(identity.device, std::move(then));
}

}  // namespace homeport::gateway
