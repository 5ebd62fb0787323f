#include "services/gateway/flow/subscribe_flow.h"

#include <algorithm>
#include <optional>
#include <set>

#include "libs/auth/topic_policy.h"
#include "libs/base/log.h"
#include "libs/mqtt/encode.h"
#include "libs/mqtt/topic.h"
#include "libs/mqtt/wire.h"
#include "services/gateway/flow/client_packet.h"
#include "services/gateway/flow/hub_rights.h"
#include "services/gateway/flow/permissions.h"
#include "services/gateway/flow/session_uplink.h"
#include "services/gateway/inspect/lifecycle.h"
#include "services/gateway/pubsub/pub_sub.h"
#include "services/gateway/session/encode_to_fit.h"
#include "services/gateway/session/own_filters.h"

namespace homeport::gateway {
namespace {

using mqtt::Qos;
using mqtt::ReasonCode;

// The highest QoS that a subscription is granted.
Qos Grant(Qos wanted) { return std::min(wanted, Qos::kAtLeastOnce); }

// Of the first filter that is refused; nothing where all are granted.
std::optional<std::string_view> WhyRefused(const mqtt::Suback& suback) {
  const auto refused = std::find_if(suback.reasons.begin(), suback.reasons.end(), mqtt::IsFailure);
  if (refused == suback.reasons.end()) return std::nullopt;
  switch (*refused) {
    case ReasonCode::kTopicFilterInvalid:
      return "a filter of more bytes or levels than the limit";
    case ReasonCode::kQuotaExceeded:
      return "subscriptions_max: more filters than a session may have";
    case ReasonCode::kNotAuthorized:
      return "a filter of topics that are not this client's";
    default:
      return mqtt::Name(*refused);
  }
}

// A shared subscription counts as one to the filter within.
std::string_view Inner(std::string_view filter) {
  const auto shared = mqtt::ParseSharedFilter(filter);
  return shared ? shared->filter : filter;
}

StoredFilter* FindFilter(Session& session, std::string_view filter) {
  if (!session.cold) return nullptr;
  for (StoredFilter& stored : session.cold->filters) {
    if (stored.filter == filter) return &stored;
  }
  return nullptr;
}

bool EraseFilter(std::vector<StoredFilter>& filters, std::string_view filter) {
  return std::erase_if(filters,
                       [&](const StoredFilter& stored) { return stored.filter == filter; }) > 0;
}

// Whether the client takes the smallest SUBACK or UNSUBACK for so many filters.
bool FitsAnswer(const Session& session, size_t filters) {
  constexpr size_t kIdAndNoProperties = 3;
  const size_t rest = kIdAndNoProperties + filters;
  return session.FitsClient(1 + mqtt::VarintBytes(static_cast<uint32_t>(rest)) + rest);
}

}  // namespace

// The shadows whose deltas a client listens for from now on.
struct SubscribeFlow::Deltas {
  struct Shadow {
    std::string device;
    std::string child;  // of the device; "+": all of them; "": the device itself
    std::string name;   // "": the classic shadow; "+": every named one
    friend auto operator<=>(const Shadow&, const Shadow&) = default;
  };
  std::set<Shadow> shadows;

  void Add(std::string_view filter, std::string_view device) {
    const std::string_view named = auth::DeviceOf(filter);
    const bool is_child = !named.empty() && named != device;
    const auth::DeltaFilter delta = auth::DeltaTopicsOf(filter, is_child ? named : device);
    const std::string child(is_child ? named : std::string_view());
    if (delta.classic) shadows.insert({std::string(device), child, std::string()});
    if (!delta.named.empty()) {
      shadows.insert({std::string(device), child, std::string(delta.named)});
    }
  }
};

// One SUBACK in the making.
struct SubscribeFlow::Answer {
  SessionHandle session;
  mqtt::Suback suback;
  size_t open = 0;  // subscriptions whose reason is not known yet
  bool waited = false;
  bool finished = false;
  std::vector<absl::AnyInvocable<void()>> after;
  std::vector<std::string> filters;  // where they are to be told, or may have to be taken back
  Deltas deltas;
};

FrameOutcome SubscribeFlow::OnSubscribe(Session& session, const mqtt::Frame& frame) {
  if (pub_sub_.HoldBack(session)) return FrameOutcome::kRetry;
  mqtt::Packet packet;
  const auto* subscribe = ReadPacket<mqtt::Subscribe>(c_, session, frame, packet);
  if (subscribe == nullptr) return FrameOutcome::kConsumed;
  if (!FitsAnswer(session, subscribe->subscriptions.size())) return RefuseUnanswerable(session);
  auto answer = std::make_shared<Answer>();  // shared by the subscriptions that wait for Redis
  answer->session = session.handle();
  answer->suback.packet_id = subscribe->packet_id;
  answer->suback.reasons.resize(subscribe->subscriptions.size());
  answer->open = subscribe->subscriptions.size();
  std::optional<uint32_t> id;
  if (!subscribe->properties.subscription_ids.empty()) {
    id = subscribe->properties.subscription_ids.front();
  }
  const bool is_kept = session.kept() != nullptr;
  for (const mqtt::Subscription& subscription : subscribe->subscriptions) {
    if (is_kept || lifecycle_.wanted()) answer->filters.emplace_back(subscription.filter);
  }
  for (size_t i = 0; i < subscribe->subscriptions.size(); ++i) {
    const mqtt::Subscription& subscription = subscribe->subscriptions[i];
    const ReasonCode reason = Check(session, subscription);
    if (mqtt::IsFailure(reason)) {
      Refuse({answer, i}, subscription.filter, reason);
    } else if (const std::string_view device = OwnerOf(session, subscription.filter);
               !device.empty()) {
      answer->suback.reasons[i] = AddOwn(session, subscription, device, id.value_or(0));
      if (!mqtt::IsFailure(answer->suback.reasons[i])) {
        answer->deltas.Add(subscription.filter, device);
        SettleOwn(session, subscription, device, id, {answer, i});
      } else {
        Refuse({answer, i}, subscription.filter, answer->suback.reasons[i]);
      }
    } else {
      if (MatchesEvents(Inner(subscription.filter))) lifecycle_.OnFollower();
      pub_sub_.Subscribe(session, subscription, id,
                         [this, answer, i, filter = std::string(subscription.filter)](
                             ReasonCode granted, auto after_suback) {
                           answer->after.push_back(std::move(after_suback));
                           if (mqtt::IsFailure(granted))
                             return Refuse({answer, i}, filter, granted);
                           Granted(answer, i, granted);
                         });
    }
  }
  answer->waited = !answer->finished;
  return answer->waited ? FrameOutcome::kPause : FrameOutcome::kConsumed;
}

// Nobody but the device hears of what is sent to it on its typed topics. Of its shadows others
// hear, and what others write is answered from the stream: the session is known there before the
// client is told that it has subscribed. Where every topic is open, a shadow's requests are
// messages too.
void SubscribeFlow::SettleOwn(Session& session, const mqtt::Subscription& subscription,
                              std::string_view device, std::optional<uint32_t> id, Place place) {
  const ReasonCode granted = place.answer->suback.reasons[place.index];
  if (!Things::NamesOne(subscription.filter)) {
    return Granted(place.answer, place.index, granted);
  }
  auto settled = [this, place, granted] { Granted(place.answer, place.index, granted); };
  if (!c_.config.anonymous || !Things::MayMatchRequests(subscription.filter)) {
    return c_.uplink.AfterAppended(device, std::move(settled));
  }
  pub_sub_.Subscribe(session, subscription, id,
                     [this, place, device = std::string(device), settled = std::move(settled)](
                         ReasonCode reason, auto after_suback) mutable {
                       place.answer->after.push_back(std::move(after_suback));
                       if (mqtt::IsFailure(reason)) {
                         return Granted(place.answer, place.index, reason);
                       }
                       c_.uplink.AfterAppended(device, std::move(settled));
                     });
}

void SubscribeFlow::Refuse(const Place& place, std::string_view filter, ReasonCode reason) {
  const Session* session = c_.io.sessions().Find(place.answer->session);
  if (session != nullptr) {
    c_.probe.Refuse(mqtt::Name(reason));
    log::Refusal("subscribe_refused", {{"device", session->identity->device},
                                       {"filter", filter},
                                       {"reason", mqtt::Name(reason)}});
  }
  Granted(place.answer, place.index, reason);
}

void SubscribeFlow::Granted(const std::shared_ptr<Answer>& answer, size_t index,
                            ReasonCode reason) {
  answer->suback.reasons[index] = reason;
  if (--answer->open == 0) Store(answer);
}

// What is acknowledged outlives the connection, so Redis has it first.
void SubscribeFlow::Store(const std::shared_ptr<Answer>& answer) {
  const Session* session = c_.io.sessions().Find(answer->session);
  if (session == nullptr || session->kept() == nullptr) return Finish(*answer);
  Save(*session, [this, answer](SessionStore::Written how) {
    if (how != SessionStore::Written::kDone) TakeBack(*answer);
    Finish(*answer);
  });
}

// What could not be stored would not outlive the connection: the client is told so.
void SubscribeFlow::TakeBack(Answer& answer) {
  Session* session = c_.io.sessions().Find(answer.session);
  if (session == nullptr) return;
  for (size_t i = 0; i < answer.filters.size(); ++i) {
    ReasonCode& reason = answer.suback.reasons[i];
    if (mqtt::IsFailure(reason)) continue;
    reason = ReasonCode::kUnspecifiedError;
    static_cast<void>(Remove(*session, answer.filters[i]));
  }
  c_.probe.Refuse("subscription_not_stored");
  log::Refusal("subscription_not_stored",
               {{"device", session->identity->device}, {"client", session->identity->client}});
}

void SubscribeFlow::Finish(Answer& answer) {
  answer.finished = true;
  Session* session = c_.io.sessions().Find(answer.session);
  if (session == nullptr) return;
  if (session->WantsReasons()) answer.suback.properties.reason_string = WhyRefused(answer.suback);
  c_.io.Send(*session, EncodeToFit(*session, answer.suback, mqtt::EncodeSuback));
  // Behind the SUBACK, which no answer may overtake.
  for (auto& after : answer.after) after();
  if (session->is_open()) {
    TellDeltaFilters(*session, answer.deltas);
    if (lifecycle_.wanted()) TellSubscribed(*session, answer);
  }
  if (session->is_open() && answer.waited) c_.io.Resume(*session);
}

void SubscribeFlow::TellSubscribed(const Session& session, const Answer& answer) {
  std::vector<std::string> granted;
  for (size_t i = 0; i < answer.filters.size(); ++i) {
    if (!mqtt::IsFailure(answer.suback.reasons[i])) granted.push_back(answer.filters[i]);
  }
  lifecycle_.Subscribed(session, granted);
}

void SubscribeFlow::Save(const Session& session, SessionStore::OnWritten on_saved) const {
  internal::v1::KeptFilters filters;
  filters.set_version(1);
  for (uint32_t rows = session.own_filters; rows != 0; rows &= rows - 1) {
    const int row = std::countr_zero(rows);
    internal::v1::KeptFilter& filter = *filters.add_filters();
    filter.set_filter(FilterOfRow(row, session.identity->device));
    filter.set_qos(session.own_filters_qos1 >> row & 1);
  }
  for (const StoredFilter& stored : session.cold->filters) {
    internal::v1::KeptFilter& filter = *filters.add_filters();
    filter.set_filter(stored.filter);
    filter.set_qos(static_cast<uint32_t>(stored.qos));
    if (stored.id != 0) filter.set_id(stored.id);
  }
  PubSub::Save(session, filters);
  c_.store.Write(session, {SessionStore::Set("f", filters.SerializeAsString())},
                 std::move(on_saved));
}

internal::v1::KeptFilters SubscribeFlow::RestoreOwn(Session& session,
                                                    const internal::v1::KeptFilters& filters) {
  internal::v1::KeptFilters others;
  Deltas deltas;
  for (const internal::v1::KeptFilter& stored : filters.filters()) {
    const bool is_of_bus = stored.since_size() > 0;
    const std::string_view device = OwnerOf(session, stored.filter());
    if (device.empty() || is_of_bus) {
      // The policy may be another by now; a session without its client waits for it to be asked.
      if (session.is_open() && !MayFollow(c_.config, *session.identity, Inner(stored.filter()))) {
        c_.probe.Refuse("resumed_subscription_not_authorized");
        log::Refusal("subscription_ended", {{"device", session.identity->device},
                                            {"filter", stored.filter()},
                                            {"reason", "resumed_subscription_not_authorized"}});
        continue;
      }
      *others.add_filters() = stored;
      continue;
    }
    mqtt::Subscription subscription;
    subscription.filter = stored.filter();
    subscription.qos = static_cast<Qos>(std::min(stored.qos(), 1u));
    static_cast<void>(AddOwn(session, subscription, device, stored.id()));
    deltas.Add(stored.filter(), device);
  }
  if (session.is_open()) TellDeltaFilters(session, deltas);
  return others;
}

void SubscribeFlow::TellDeltaFilters(const Session& session, const Deltas& deltas) {
  for (const auto& [device, child, shadow] : deltas.shadows) {
    routing::Uplink message = UplinkOf(c_, session, routing::UplinkKind::kShadowListen, device);
    message.payload = child;
    message.detail = shadow;
    c_.uplink.Append(message, {});
  }
}

// A hub's filters for its children count as its own: they bring what is sent to its session only.
std::string_view SubscribeFlow::OwnerOf(const Session& session, std::string_view filter) const {
  const std::string_view device = things_.OfFilter(session, filter);
  if (!device.empty() || !IsOwnFilter(session, filter)) return device;
  return session.identity->device;
}

ReasonCode SubscribeFlow::Check(const Session& session,
                                const mqtt::Subscription& subscription) const {
  const bool shared = mqtt::IsSharedFilter(subscription.filter);
  if (shared && !mqtt::ParseSharedFilter(subscription.filter)) {
    return ReasonCode::kTopicFilterInvalid;
  }
  if (!mqtt::IsWithinLimits(subscription.filter, LimitsOf(c_.config))) {
    return ReasonCode::kTopicFilterInvalid;
  }
  const Identity& identity = *session.identity;
  if (identity.claim) {
    return auth::IsProvisioningFilter(subscription.filter) ? ReasonCode::kSuccess
                                                           : ReasonCode::kNotAuthorized;
  }
  if (IsOwnFilter(session, subscription.filter)) return ReasonCode::kSuccess;
  const std::string_view inner = Inner(subscription.filter);
  const bool may = !Things::NamesNone(inner) && MayFollow(c_.config, identity, inner);
  if (may) return ReasonCode::kSuccess;
  // The suites that have a filter denied know 0x80 only, in version 5 too.
  const bool is_suites = c_.config.anonymous && inner == c_.config.anonymous_denied_filter;
  return is_suites ? ReasonCode::kUnspecifiedError : ReasonCode::kNotAuthorized;
}

ReasonCode SubscribeFlow::AddOwn(Session& session, const mqtt::Subscription& subscription,
                                 std::string_view device, uint32_t id) {
  const auto row = RowOfFilter(subscription.filter, session.identity->device);
  const uint32_t bit = row ? 1u << *row : 0;
  const bool fresh =
      FindFilter(session, subscription.filter) == nullptr && (session.own_filters & bit) == 0;
  if (fresh && session.filter_count() >= c_.config.subscriptions_max) {
    return ReasonCode::kQuotaExceeded;
  }
  if (!things_.Join(session, device)) return ReasonCode::kQuotaExceeded;
  const Qos qos = Grant(subscription.qos);
  if (row && id == 0) {
    if (session.cold) EraseFilter(session.cold->filters, subscription.filter);
    session.own_filters |= bit;
    session.own_filters_qos1 =
        qos == Qos::kAtLeastOnce ? session.own_filters_qos1 | bit : session.own_filters_qos1 & ~bit;
    return static_cast<ReasonCode>(qos);
  }
  if (StoredFilter* same = FindFilter(session, subscription.filter)) {
    same->qos = qos;
    same->id = id;
    return static_cast<ReasonCode>(qos);
  }
  session.Cold().filters.push_back({std::string(subscription.filter), qos, id});
  session.own_filters &= ~bit;  // with an identifier now
  session.own_filters_qos1 &= ~bit;
  return static_cast<ReasonCode>(qos);
}

FrameOutcome SubscribeFlow::OnUnsubscribe(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  const auto* unsubscribe = ReadPacket<mqtt::Unsubscribe>(c_, session, frame, packet);
  if (unsubscribe == nullptr) return FrameOutcome::kConsumed;
  if (!FitsAnswer(session, unsubscribe->filters.size())) return RefuseUnanswerable(session);
  mqtt::Unsuback unsuback;
  unsuback.packet_id = unsubscribe->packet_id;
  std::vector<std::string> ended;
  for (const std::string_view filter : unsubscribe->filters) {
    unsuback.reasons.push_back(Remove(session, filter));
    if (unsuback.reasons.back() == ReasonCode::kSuccess) ended.emplace_back(filter);
  }
  things_.LeaveUnfollowed(session);
  lifecycle_.Unsubscribed(session, ended);
  std::string bytes;
  mqtt::EncodeUnsuback(unsuback, session.version, &bytes);
  if (session.kept() == nullptr || ended.empty()) {
    session.TrimCold();
    c_.io.Send(session, bytes);
    return FrameOutcome::kConsumed;
  }
  Save(session, [this, handle = session.handle(), bytes](SessionStore::Written how) {
    Session* there = c_.io.sessions().Find(handle);
    if (there == nullptr) return;
    if (how != SessionStore::Written::kDone) {
      c_.probe.Refuse("unsubscription_not_stored");
      log::Refusal("unsubscription_not_stored",
                   {{"device", there->identity->device}, {"client", there->identity->client}});
      return c_.io.Close(
          *there, {"SERVER_ERROR", ReasonCode::kServerBusy, "Redis did not take the UNSUBSCRIBE"});
    }
    c_.io.Send(*there, bytes);
    c_.io.Resume(*there);
  });
  return FrameOutcome::kPause;
}

// It must be answered, by a packet that must not be sent [MQTT-3.1.2-24]: that ends the connection
// (section 4.13), and before anything of it is done.
FrameOutcome SubscribeFlow::RefuseUnanswerable(Session& session) {
  c_.probe.Refuse("client_packet_bytes_max");
  log::Refusal("subscribe_refused",
               {{"device", session.identity->device},
                {"reason", "its answer is over the client's maximum packet size"}});
  c_.io.Close(session, {"CLIENT_ERROR", ReasonCode::kPacketTooLarge,
                        "the answer is over the client's maximum packet size"});
  return FrameOutcome::kConsumed;
}

ReasonCode SubscribeFlow::Remove(Session& session, std::string_view filter) {
  bool had = false;
  if (const auto row = RowOfFilter(filter, session.identity->device)) {
    const uint32_t bit = 1u << *row;
    had = (session.own_filters & bit) != 0;
    session.own_filters &= ~bit;
    session.own_filters_qos1 &= ~bit;
  }
  if (session.cold) {
    had |= pub_sub_.Unsubscribe(session, filter);
    had |= EraseFilter(session.cold->filters, filter);
  }
  return had ? ReasonCode::kSuccess : ReasonCode::kNoSubscriptionExisted;
}

OwnGrant GrantOf(const Session& session, std::string_view topic) {
  OwnGrant grant;
  const FilterRows rows = RowsMatching(topic, session.identity->device) & session.own_filters;
  if (rows != 0) grant.qos = (rows & session.own_filters_qos1) != 0 ? 1 : 0;
  if (session.cold == nullptr) return grant;
  if (session.cold->subscriber) {
    for (const auto& filter : session.cold->subscriber->filters) {
      if (filter->group != nullptr || !mqtt::Matches(filter->filter, topic)) continue;
      grant.qos = std::max(grant.qos, std::min(1, static_cast<int>(filter->qos)));
      const bool is_own =
          std::any_of(session.cold->filters.begin(), session.cold->filters.end(),
                      [&](const StoredFilter& stored) { return stored.filter == filter->filter; });
      if (filter->id && !is_own) grant.ids.push_back(*filter->id);
    }
  }
  for (const StoredFilter& stored : session.cold->filters) {
    if (!mqtt::Matches(stored.filter, topic)) continue;
    grant.qos = std::max(grant.qos, static_cast<int>(stored.qos));
    if (stored.id != 0) grant.ids.push_back(stored.id);
  }
  return grant;
}

}  // namespace homeport::gateway
