#include "services/gateway/flow/connect_flow.h"

#include <algorithm>
#include <limits>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/mqtt/decode.h"
#include "libs/mqtt/publish_view.h"
#include "services/gateway/flow/decode_options.h"
#include "services/gateway/flow/permissions.h"
#include "services/gateway/flow/publish_flow.h"
#include "services/gateway/flow/session_uplink.h"
#include "services/gateway/session/departures.h"

namespace homeport::gateway {
namespace {

using mqtt::ReasonCode;

constexpr uint32_t kUntoldKeepAliveMaxS = 3600;

ReasonCode RefusalOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      return ReasonCode::kBanned;
    case absl::StatusCode::kResourceExhausted:
      return ReasonCode::kQuotaExceeded;
    default:
      return ReasonCode::kServerUnavailable;
  }
}

// How long the session is to outlive the connection; a 3.1.1 client says only whether.
uint32_t ExpiryOf(const mqtt::Connect& connect) {
  if (connect.version == mqtt::Version::k5) return connect.properties.session_expiry_s.value_or(0);
  return connect.clean_start ? 0 : std::numeric_limits<uint32_t>::max();
}

ClientPace::Options PaceOptions(const GatewayConfig& config) {
  ClientPace::Options options;
  options.connects_per_second = config.client_connects_per_second;
  options.burst = config.client_connects_burst;
  options.flaps_max = config.flapping_connects;
  options.window_s = config.flapping_window_s;
  options.ban_s = config.flapping_ban_s;
  options.clients_max = config.flapping_clients_max;
  return options;
}

uint64_t PaceKey(const Identity& identity) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;
  return Hash64(identity.device) * kOdd ^ Hash64(identity.client);
}

}  // namespace

ConnectFlow::ConnectFlow(ShardContext& context, SessionKeeper& keeper, Lifecycle& lifecycle,
                         PublishAcks& acks)
    : c_(context),
      keeper_(keeper),
      lifecycle_(lifecycle),
      acks_(acks),
      authenticator_(context),
      pace_(PaceOptions(context.config)),
      take_turns_(context.reactor, context.config.claim_window_ms, [this] { TakeTurns(); }) {}

FrameOutcome ConnectFlow::OnConnect(Session& session, const mqtt::Frame& frame) {
  const mqtt::DecodeOptions options = DecodeOptionsOf(c_.config, mqtt::Version::k311);
  mqtt::Packet packet;
  if (const mqtt::DecodeError error = mqtt::Decode(frame, options, &packet)) {
    RefuseMalformed(session, frame, error);
    return FrameOutcome::kPause;
  }
  const auto& connect = std::get<mqtt::Connect>(packet);
  TakeProperties(session, connect);
  if (draining_) {
    Refuse(session, Elsewhere(c_.config, ReasonCode::kServerUnavailable), "draining", "draining");
  } else if (c_.reactor.lag_us() > int64_t{c_.config.overload_lag_ms} * 1000) {
    Refuse(session, Elsewhere(c_.config, ReasonCode::kServerBusy), "overload_lag_ms",
           "overload_connect");
  } else if (const Verdict verdict = authenticator_.Identify(session, connect); !verdict.ok()) {
    Refuse(session, verdict.reason, verdict.why, verdict.why);
  } else {
    Begin(session, connect);
  }
  return FrameOutcome::kPause;
}

// Before version 5 a CONNECT of the wrong form gets no CONNACK (3.1.1 [MQTT-3.1.4-1]).
void ConnectFlow::RefuseMalformed(Session& session, const mqtt::Frame& frame,
                                  const mqtt::DecodeError& error) {
  const auto version = mqtt::ConnackVersion(frame.body);
  if (version &&
      (*version == mqtt::Version::k5 || error.reason == ReasonCode::kUnsupportedProtocolVersion)) {
    session.version = *version;
    if (!c_.config.reason_strings) session.Cold().wants_no_reasons = true;
    return Refuse(session, error.reason, error.what);
  }
  c_.probe.Refuse(mqtt::Name(error.reason));
  log::Refusal(
      "connect_refused",
      {{"reason", mqtt::Name(error.reason)}, {"why", error.what}, {"peer", c_.io.PeerOf(session)}});
  c_.io.Close(session, {"CLIENT_ERROR", {}, error.what});
}

// What the session is to know of its client whether or not it is let in.
void ConnectFlow::TakeProperties(Session& session, const mqtt::Connect& connect) const {
  session.version = connect.version;
  session.is_31 = connect.is_31;
  if (session.version == mqtt::Version::k5 &&
      !connect.properties.request_problem_information.value_or(c_.config.reason_strings)) {
    session.Cold().wants_no_reasons = true;
  }
  if (connect.properties.receive_max) session.Cold().receive_max = *connect.properties.receive_max;
  if (connect.properties.packet_bytes_max) {
    session.Cold().packet_bytes_max = *connect.properties.packet_bytes_max;
  }
}

void ConnectFlow::Begin(Session& session, const mqtt::Connect& connect) {
  Attempt attempt;
  attempt.client_id_assigned = connect.client_id.empty();
  attempt.keep_alive_s = connect.keep_alive_s;
  attempt.wish.clean_start = connect.clean_start;
  attempt.asked_expiry_s = ExpiryOf(connect);
  attempt.wish.expiry_s = std::min(attempt.asked_expiry_s, c_.config.session_expiry_s_max);
  if (connect.will) KeepWill(session, *connect.will);
  if (const uint16_t aliases = connect.properties.topic_alias_max.value_or(0); aliases > 0) {
    session.Cold().aliases_out.max = std::min(aliases, kTopicAliasMax);
  }
  session.phase = Phase::kAuthenticating;
  attempts_[session.handle().packed()] = attempt;
  authenticator_.Authenticate(session, [this, handle = session.handle()](const Verdict& verdict) {
    OnVerdict(handle, verdict);
  });
}

void ConnectFlow::KeepWill(Session& session, const mqtt::Will& will) const {
  auto stored = std::make_unique<StoredWill>();
  stored->message.set_topic(std::string(will.topic));
  stored->message.set_payload(std::string(will.payload));
  stored->message.set_qos(static_cast<uint32_t>(will.qos));
  stored->message.set_retain(will.retain);
  if (will.properties.message_expiry_s) {
    stored->message.set_expiry_s(*will.properties.message_expiry_s);
  }
  mqtt::AppendForwardedProperties(will.property_bytes, mqtt::PropertyPlace::kWill,
                                  stored->message.mutable_properties());
  stored->delay_s = will.properties.will_delay_s.value_or(0);
  session.Cold().will = std::move(stored);
}

Session* ConnectFlow::Waiting(SessionHandle handle, Phase phase) {
  Session* session = c_.io.sessions().Find(handle);
  return session != nullptr && session->phase == phase ? session : nullptr;
}

void ConnectFlow::OnVerdict(SessionHandle handle, const Verdict& verdict) {
  Session* session = Waiting(handle, Phase::kAuthenticating);
  if (session == nullptr) return;
  if (!verdict.ok()) return Refuse(*session, verdict.reason, verdict.why, verdict.why);
  AwaitTurn(*session);
}

void ConnectFlow::AwaitTurn(Session& session) {
  while (!awaiting_.empty() && Waiting(awaiting_.front(), Phase::kAuthenticating) == nullptr) {
    awaiting_.pop_front();  // its client has given up
  }
  if (awaiting_.size() + under_way_ >=
      c_.config.connects_waiting_max + c_.config.connects_under_way_max) {
    return Refuse(session, Elsewhere(c_.config, ReasonCode::kServerBusy), "connects_waiting_max",
                  "connects_waiting_max");
  }
  awaiting_.push_back(session.handle());
  take_turns_.Want();
}

void ConnectFlow::TakeTurns() {
  while (!awaiting_.empty() && under_way_ < c_.config.connects_under_way_max) {
    Session* session = Waiting(awaiting_.front(), Phase::kAuthenticating);
    awaiting_.pop_front();
    if (session == nullptr || !Admit(*session)) continue;
    CheckWill(*session);
    if (session->identity->claim) {  // nothing of it is worth keeping
      attempts_[session->handle().packed()].wish = {.clean_start = true, .expiry_s = 0};
    }
    ++under_way_;
    AcquireClaim(*session);
  }
}

void ConnectFlow::EndTurn() {
  if (under_way_-- == c_.config.connects_under_way_max) TakeTurns();
}

// Behind the proof of who it is: nobody can use up what is another's. Before the claim: who is
// refused throws nobody out.
bool ConnectFlow::Admit(Session& session) {
  const Identity& identity = *session.identity;
  const ClientPace::Answer answer = pace_.OnConnect(PaceKey(identity), c_.reactor.now().value);
  if (answer == ClientPace::Answer::kTooFast) {
    Refuse(session, ReasonCode::kConnectionRateExceeded, "client_connects_per_second",
           "client_connects_per_second");
    return false;
  }
  if (answer != ClientPace::Answer::kGo) {
    if (answer == ClientPace::Answer::kBanBegins) {
      c_.probe.bans.Increment();
      log::Refusal("client_banned", {{"device", identity.device},
                                     {"client", identity.client},
                                     {"limit", "flapping_connects"},
                                     {"seconds", c_.config.flapping_ban_s}});
    }
    Refuse(session, ReasonCode::kConnectionRateExceeded, "flapping", "flapping");
    return false;
  }
  if (identity.product && !identity.product->usage->Enter(c_.config.tenant_sessions_max)) {
    Refuse(session, ReasonCode::kQuotaExceeded, "tenant_sessions_max", "tenant_sessions_max");
    return false;
  }
  return true;
}

// Here, while it is known what the client may do: who publishes it may be another pod.
void ConnectFlow::CheckWill(Session& session) {
  if (!session.cold || !session.cold->will) return;
  const BusMessage& will = session.cold->will->message;
  const auth::TopicClass topic_class =
      auth::Classify(will.topic(), session.identity->device).topic_class;
  if (topic_class != auth::TopicClass::kGeneral ||
      MayBroadcast(c_.config, *session.identity, topic_class, will.topic(), will.retain())) {
    return;
  }
  c_.probe.Refuse("will_topic_not_authorized");
  log::Refusal("will_refused", {{"device", session.identity->device}, {"topic", will.topic()}});
  session.cold->will.reset();
  session.TrimCold();
}

void ConnectFlow::AcquireClaim(Session& session) {
  session.phase = Phase::kClaiming;
  const SessionHandle handle = session.handle();
  if (attempts_[handle.packed()].wish.clean_start) return ClaimClient(handle, std::nullopt);
  // Before the claim: what the former pod had read by then is in the queue that the claim yields.
  c_.store.FindFormer(*session.identity,
                      [this, handle](absl::StatusOr<std::optional<SessionStore::Former>> former) {
                        Session* waiting = Waiting(handle, Phase::kClaiming);
                        if (waiting == nullptr) return EndTurn();
                        if (!former.ok()) {
                          Refuse(*waiting, RefusalOf(former.status()), "session");
                          return EndTurn();
                        }
                        ClaimClient(handle, *std::move(former));
                      });
}

void ConnectFlow::ClaimClient(SessionHandle handle, std::optional<SessionStore::Former> former) {
  const Session& session = *c_.io.sessions().Find(handle);
  Claimant claimant{handle, {}, attempts_[handle.packed()].wish, std::move(former)};
  if (claimant.wish.expiry_s > 0 || !claimant.wish.clean_start) {
    claimant.identity = *session.identity;
  }
  if (claimant.former && claimant.former->pod == c_.pod.str() && keeper_.is_level()) {
    claimant.former->places = c_.bus.positions();
  }
  const SessionWish wish = claimant.wish;
  c_.ownership.Acquire(*session.identity, handle, wish,
                       [this, claimant = std::move(claimant),
                        is_late = false](const absl::StatusOr<Claim>& claim) mutable {
                         StoreWill(claimant, claim);
                         if (!std::exchange(is_late, true)) EndTurn();
                       });
}

std::optional<SessionKeeper::Past> ConnectFlow::PastOf(const Claimant& claimant,
                                                       const Claim& claim) const {
  if (!claim.kept || claim.kept->fields.empty()) return std::nullopt;
  SessionKeeper::Past past{*claim.kept, {}, claim.former && claim.former->pod != c_.pod.str()};
  const bool is_same =
      claimant.former && claim.kept->owner && claimant.former->pod == claim.kept->owner->pod;
  const bool had_caught_up = claim.kept->Field("c").empty();
  if (is_same && had_caught_up) past.places = claimant.former->places;
  if (claim.former && claim.former->pod == c_.pod.str()) {
    const Session* former = c_.io.sessions().Find(SessionHandle::FromPacked(claim.former->session));
    if (former != nullptr && former->epoch == claim.former->epoch && former->cold) {
      past.last_sent = former->cold->outbound.last_sent_number();
    }
  }
  return past;
}

// What the session has received is known where its former connection has ended in order.
std::optional<Doubt> ConnectFlow::DoubtOf(const Claimant& claimant, const Claim& claim) {
  if (!claim.kept || claim.kept->fields.empty() || !claim.kept->owner) return std::nullopt;
  const SessionLocation& owner = *claim.kept->owner;
  Doubt doubt = MakeDoubt(owner.pod, claimant.identity, owner.epoch, claim.kept->Field("in"));
  const bool has_ended = !claim.former && !claim.kept->Field("off").empty();
  if (has_ended && doubt.record.all_stored()) return std::nullopt;
  return doubt;
}

void ConnectFlow::StoreWill(const Claimant& claimant, const absl::StatusOr<Claim>& claim) {
  const Session* session = Waiting(claimant.handle, Phase::kClaiming);
  const bool has_will = session != nullptr && session->cold && session->cold->will;
  if (!claim.ok() || !has_will) return OnClaim(claimant, claim);
  // Who takes over what this pod leaves finds it from now on.
  c_.store.ListWill(*session, claim->epoch, 0,
                    [this, claimant, claim = *claim, identity = *session->identity] {
                      const bool is_there = Waiting(claimant.handle, Phase::kClaiming) != nullptr;
                      if (!is_there) c_.store.UnlistWill(identity, claim.epoch);
                      OnClaim(claimant, claim);
                    });
}

void ConnectFlow::OnClaim(const Claimant& claimant, const absl::StatusOr<Claim>& claim) {
  Session* session = Waiting(claimant.handle, Phase::kClaiming);
  if (!claim.ok()) {
    if (session != nullptr) Refuse(*session, RefusalOf(claim.status()), "claim");
    return;
  }
  const std::optional<SessionKeeper::Past> past = PastOf(claimant, *claim);
  const Successor successor{past.has_value(), session == nullptr};
  std::optional<Doubt> doubt = DoubtOf(claimant, *claim);
  const auto answer_to = doubt ? std::optional(claimant.handle) : std::nullopt;
  if (doubt && session != nullptr) acks_.ExpectFormer(*session, *doubt);
  if (claim->former) {
    c_.probe.takeovers.Increment();
    EndFormer(*claim->former, successor, answer_to);
  }
  const bool is_away = claim->kept && claim->kept->owner &&
                       !(claim->former && claim->former->epoch == claim->kept->owner->epoch);
  if (is_away) EndFormer(*claim->kept->owner, successor, answer_to);
  const Identity& identity = session != nullptr ? *session->identity : claimant.identity;
  if (claim->former) ForgetWillOf(*claim->former, identity);
  if (is_away) ForgetWillOf(*claim->kept->owner, identity);
  if (claim->kept && claim->kept->fields.empty()) {
    keeper_.LeaveQueue(*claim->kept, claim->kept->sent);
  }
  if (session == nullptr) {  // closed meanwhile: OnClosed has released the claim
    if (!claim->kept) return;
    Session* heir = keeper_.Orphan(claimant.identity, claimant.handle, claim->epoch,
                                   claimant.wish.expiry_s, past ? *past : SessionKeeper::Past());
    if (heir == nullptr || !doubt) return;
    acks_.ExpectFormer(*heir, *std::move(doubt));
    return acks_.Inherit(claimant.handle, *heir);
  }
  if (!session->identity->claim) pace_.OnClaim(PaceKey(*session->identity), claim->epoch);
  const Attempt attempt = attempts_[claimant.handle.packed()];
  attempts_.erase(claimant.handle.packed());
  Accept(*session, *claim, past, attempt);
}

// Its pod, if it lives, knows what to do with the will. If it is dead, who takes over what it had
// left need not know that the client was back: it may have said goodbye by then.
void ConnectFlow::ForgetWillOf(const SessionLocation& former, const Identity& identity) {
  const bool is_known = !identity.device.empty();  // not of a clean start that has left again
  if (is_known && former.pod != c_.pod.str()) {
    c_.store.UnlistWillOf(former.pod, identity, former.epoch);
  }
}

void ConnectFlow::EndFormer(const SessionLocation& former, Successor successor,
                            std::optional<SessionHandle> answer_to) {
  if (former.pod == c_.pod.str()) {
    const auto handle = SessionHandle::FromPacked(former.session);
    if (!answer_to) return TakeOver(handle, former.epoch, successor);
    return TakeOver(handle, former.epoch, successor,
                    [this, to = *answer_to](std::span<const uint16_t> received) {
                      acks_.OnFormerEnded(to, received);
                    });
  }
  internal::v1::InboxItem item;
  item.mutable_kick()->set_session(former.session);
  item.mutable_kick()->set_epoch(former.epoch);
  item.mutable_kick()->set_reason(static_cast<uint32_t>(ReasonCode::kSessionTakenOver));
  item.mutable_kick()->set_resumed(successor.resumed);
  item.mutable_kick()->set_successor_left(successor.has_left);
  if (answer_to) {
    item.mutable_kick()->set_answer_pod(c_.pod.str());
    item.mutable_kick()->set_answer_session(answer_to->packed());
  }
  c_.outbox.Add(former.pod, std::move(item));
}

void ConnectFlow::TakeOver(SessionHandle handle, uint64_t epoch, Successor successor) {
  Session* session = c_.io.sessions().Find(handle);
  if (session == nullptr) return keeper_.GiveUp(handle, epoch, successor.resumed);
  const bool is_claiming = session->phase == Phase::kClaiming;
  if (!is_claiming && session->epoch != epoch) return;
  session->epoch = epoch;
  session->taken_over = true;
  session->resumed = successor.resumed;
  session->successor_left = successor.has_left;
  if (is_claiming) return;  // Redis has said so to others first
  c_.io.Close(*session, {"DUPLICATE_CLIENTID", ReasonCode::kSessionTakenOver, "taken over"});
}

void ConnectFlow::TakeOver(SessionHandle handle, uint64_t epoch, Successor successor,
                           OnEnded on_ended) {
  const std::vector<uint16_t> received = keeper_.ReceivedOf(handle, epoch);
  TakeOver(handle, epoch, successor);
  if (received.empty()) return on_ended({});
  c_.uplink.AfterAllAppended([this, received, on_ended = std::move(on_ended)]() mutable {
    c_.bus.AfterAllAppended(
        [received, on_ended = std::move(on_ended)]() mutable { on_ended(received); });
  });
}

void ConnectFlow::Accept(Session& session, const Claim& claim,
                         const std::optional<SessionKeeper::Past>& past, const Attempt& attempt) {
  session.phase = Phase::kOnline;
  const bool is_lost = std::exchange(session.taken_over, false) && session.epoch == claim.epoch;
  session.epoch = claim.epoch;
  session.identity->connected_s = c_.io.now_s();
  // Before version 5 a client cannot be told another keep-alive than its own.
  const bool can_be_told = session.version == mqtt::Version::k5;
  const uint32_t longest = can_be_told ? c_.config.keep_alive_s_max
                                       : std::max(c_.config.keep_alive_s_max, kUntoldKeepAliveMaxS);
  const uint32_t wish = attempt.keep_alive_s == 0 ? longest : attempt.keep_alive_s;
  session.keep_alive_s = static_cast<uint16_t>(
      std::clamp(wish, can_be_told ? c_.config.keep_alive_s_min : 1, longest));
  c_.probe.connects.Increment();
  c_.probe.sessions.Add(1);
  AppendConnected(c_, session, session.identity->device);
  lifecycle_.Connected(session);
  const bool is_present = keeper_.Begin(session, attempt.wish, past ? &*past : nullptr);
  SendConnack(session, attempt, is_present);
  if (!session.is_open()) return;
  if (is_lost) {
    return TakeOver(session.handle(), session.epoch, {session.resumed, session.successor_left});
  }
  c_.io.WatchKeepAlive(session);
  if (!is_present) return c_.io.Resume(session);
  keeper_.Resume(session, *past, [this, handle = session.handle()](bool resumed) {
    Session* there = c_.io.sessions().Find(handle);
    if (there == nullptr) return;
    if (resumed) return c_.io.Resume(*there);
    c_.io.Close(*there, {"SERVER_ERROR", ReasonCode::kServerBusy, "Redis did not answer"});
  });
}

}  // namespace homeport::gateway
