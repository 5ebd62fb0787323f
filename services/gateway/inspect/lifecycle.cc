#include "services/gateway/inspect/lifecycle.h"

#include <string>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/gateway/inspect/session_view.h"

namespace homeport::gateway {
namespace {

// The key is renewed twice in a lease, at one of the ticks, which are a second apart. So when a
// follower's pod dies, two and a half leases are left, in which another one adopts its session.
constexpr int64_t kTickMs = 1'000;
constexpr int64_t kKeyLeases = 3;
constexpr int64_t kRenewalsPerLease = 2;

// What the client proved to be. A secret, a token or a fleet key proves the device.
std::string PrincipalOf(const Identity& identity) {
  if (identity.certificate) return identity.certificate->id();
  if (!identity.product) return identity.client;
  return fmt::format("{}/{}", identity.product->product, identity.device);
}

std::string SessionIdentifier(std::string_view pod, uint64_t session) {
  return fmt::format("{:016x}{:016x}", Hash64(pod), session);
}

}  // namespace

EventSubject Lifecycle::SubjectOf(const Session& session) const {
  EventSubject subject;
  subject.client = session.identity->client;
  subject.time_ms = c_.reactor.wall().value;
  subject.session = SessionIdentifier(c_.pod.str(), session.handle().packed());
  subject.principal = PrincipalOf(*session.identity);
  subject.version = session.epoch;
  return subject;
}

void Lifecycle::Connected(const Session& session) {
  if (!wanted_) return;
  Publish(EventType::kConnected, session,
          ConnectedEvent(SubjectOf(session), IpOf(c_.io.PeerOf(session))));
}

void Lifecycle::Disconnected(const Session& session, std::string_view cause) {
  if (!wanted_) return;
  Publish(EventType::kDisconnected, session, DisconnectedEvent(SubjectOf(session), cause));
}

void Lifecycle::Subscribed(const Session& session, const std::vector<std::string>& filters) {
  if (!wanted_ || filters.empty()) return;
  Publish(EventType::kSubscribed, session,
          SubscriptionEvent(EventType::kSubscribed, SubjectOf(session), filters));
}

void Lifecycle::Unsubscribed(const Session& session, const std::vector<std::string>& filters) {
  if (!wanted_ || filters.empty()) return;
  Publish(EventType::kUnsubscribed, session,
          SubscriptionEvent(EventType::kUnsubscribed, SubjectOf(session), filters));
}

void Lifecycle::Ended(const internal::v1::SessionEnded& ended) {
  if (!c_.config.lifecycle_events) return;
  EventSubject subject;
  subject.client = ended.client();
  subject.time_ms = c_.reactor.wall().value;
  subject.session = SessionIdentifier(ended.pod(), ended.session());
  subject.principal = ended.principal();
  subject.version = ended.epoch();
  Publish(EventType::kDisconnected, ended.client(), ended.tenant(),
          DisconnectedEvent(subject, "SERVER_ERROR"));
}

void Lifecycle::Publish(EventType type, const Session& session, std::string event) {
  Publish(type, session.identity->client, TenantOf(*session.identity), std::move(event));
}

// As AWS has it, events are told as well as can be: where the bus is full they are dropped.
void Lifecycle::Publish(EventType type, std::string_view client, std::string_view tenant,
                        std::string event) {
  BusMessage message;
  message.set_topic(EventTopic(type, client));
  const bool has_topic = !message.topic().empty();
  if (!has_topic || c_.bus.Full()) {
    c_.probe.Refuse(has_topic ? "lifecycle_bus_full" : "lifecycle_client_id");
    log::Refusal("lifecycle_event_dropped",
                 {{"client", client},
                  {"reason", has_topic ? "the bus is full" : "its id cannot stand in a topic"}});
    return;
  }
  message.set_payload(std::move(event));
  message.set_qos(1);
  message.set_received_ms(c_.reactor.wall().value);
  message.set_tenant(std::string(tenant));
  c_.bus.Publish(message, {});
  c_.probe.lifecycle_events.Increment();
}

void Lifecycle::OnFollower() {
  if (!c_.config.lifecycle_events) return;
  wanted_ = true;
  Announce();
}

void Lifecycle::Announce() {
  announced_ms_ = c_.reactor.now().value;
  const std::string life_ms = std::to_string(kKeyLeases * c_.config.pod_lease_ms + kTickMs);
  redis_.Send({"SET", routing::kEventsKey, c_.pod.str(), "PX", life_ms},
              [](const redis::Reply&) {});
}

void Lifecycle::Tick() {
  if (!c_.config.lifecycle_events || !redis_.connected()) return;
  const int64_t renew_ms = c_.config.pod_lease_ms / kRenewalsPerLease;
  if (pub_sub_.follows_events() && c_.reactor.now().value - announced_ms_ >= renew_ms) Announce();
  redis_.Send({"EXISTS", routing::kEventsKey}, [this](const redis::Reply& reply) {
    if (reply.is_integer()) wanted_ = reply.integer() != 0 || pub_sub_.follows_events();
  });
}

}  // namespace homeport::gateway
