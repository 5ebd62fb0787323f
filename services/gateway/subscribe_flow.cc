#include "services/gateway/subscribe_flow.h"

#include <algorithm>
#include <bit>

#include "libs/auth/topic_policy.h"
#include "libs/base/log.h"
#include "libs/mqtt/decode.h"
#include "libs/mqtt/encode.h"
#include "libs/mqtt/topic.h"
#include "services/gateway/own_filters.h"

namespace homeport::gateway {
namespace {

using mqtt::Qos;
using mqtt::ReasonCode;

// The highest QoS that a subscription is granted.
Qos Grant(Qos wanted) { return std::min(wanted, Qos::kAtLeastOnce); }

}  // namespace

FrameOutcome SubscribeFlow::OnSubscribe(Session& session, const mqtt::Frame& frame) {
  mqtt::DecodeOptions options;
  options.version = session.version;
  mqtt::Packet packet;
  if (const mqtt::DecodeError error = mqtt::Decode(frame, options, &packet)) {
    c_.probe.Refuse(mqtt::Name(error.reason));
    c_.io.Close(session, {"CLIENT_ERROR", error.reason, error.what});
    return FrameOutcome::kConsumed;
  }
  const auto& subscribe = std::get<mqtt::Subscribe>(packet);
  mqtt::Suback suback;
  suback.packet_id = subscribe.packet_id;
  for (const mqtt::Subscription& subscription : subscribe.subscriptions) {
    const ReasonCode reason = Add(session, subscription);
    suback.reasons.push_back(reason);
    if (!mqtt::IsFailure(reason)) continue;
    c_.probe.Refuse(mqtt::Name(reason));
    log::Refusal("subscribe_refused", {{"device", session.identity->device},
                                       {"filter", subscription.filter},
                                       {"reason", mqtt::Name(reason)}});
  }
  std::string bytes;
  mqtt::EncodeSuback(suback, session.version, &bytes);
  c_.io.Send(session, bytes);
  if (session.is_open()) TellDeltaFilters(session, subscribe.subscriptions, suback.reasons);
  return FrameOutcome::kConsumed;
}

// Whoever listens for deltas anew is told by the registry what is pending. Behind the SUBACK, since
// the answer may not overtake it.
void SubscribeFlow::TellDeltaFilters(const Session& session,
                                     const std::vector<mqtt::Subscription>& subscriptions,
                                     const std::vector<ReasonCode>& reasons) {
  std::vector<std::string_view> shadows;
  for (size_t i = 0; i < subscriptions.size(); ++i) {
    if (mqtt::IsFailure(reasons[i])) continue;
    const auth::DeltaFilter delta =
        auth::DeltaTopicsOf(subscriptions[i].filter, session.identity->device);
    if (delta.classic) shadows.emplace_back();
    if (!delta.named.empty()) shadows.push_back(delta.named);
  }
  std::sort(shadows.begin(), shadows.end());
  shadows.erase(std::unique(shadows.begin(), shadows.end()), shadows.end());
  for (const std::string_view shadow : shadows) {
    routing::Uplink message;
    message.kind = routing::UplinkKind::kShadowListen;
    message.device = session.identity->device;
    message.session = session.handle().packed();
    message.epoch = session.epoch;
    message.received_ms = c_.reactor.wall().value;
    message.detail = shadow;
    if (session.identity->client != session.identity->device) {
      message.client = session.identity->client;
    }
    c_.uplink.Append(message, {});
  }
}

ReasonCode SubscribeFlow::Add(Session& session, const mqtt::Subscription& subscription) {
  const std::string& device = session.identity->device;
  if (mqtt::IsSharedFilter(subscription.filter)) {
    return ReasonCode::kSharedSubscriptionsNotSupported;
  }
  if (subscription.filter.size() > mqtt::Limits().topic_bytes_max ||
      mqtt::LevelCount(subscription.filter) > mqtt::Limits().topic_levels_max) {
    return ReasonCode::kTopicFilterInvalid;
  }
  if (!auth::MaySubscribe(subscription.filter, device)) return ReasonCode::kNotAuthorized;
  const Qos qos = Grant(subscription.qos);
  if (const auto row = RowOfFilter(subscription.filter, device)) {
    const uint32_t bit = 1u << *row;
    session.own_filters |= bit;
    session.own_filters_qos1 =
        qos == Qos::kAtLeastOnce ? session.own_filters_qos1 | bit : session.own_filters_qos1 & ~bit;
    return static_cast<ReasonCode>(qos);
  }
  std::vector<StoredFilter>& filters = session.Cold().filters;
  const auto same = std::find_if(filters.begin(), filters.end(), [&](const StoredFilter& stored) {
    return stored.filter == subscription.filter;
  });
  if (same != filters.end()) {
    same->qos = qos;
    return static_cast<ReasonCode>(qos);
  }
  if (filters.size() + static_cast<size_t>(std::popcount(session.own_filters)) >=
      c_.config.subscriptions_max) {
    session.TrimCold();
    return ReasonCode::kQuotaExceeded;
  }
  filters.push_back({std::string(subscription.filter), qos});
  return static_cast<ReasonCode>(qos);
}

FrameOutcome SubscribeFlow::OnUnsubscribe(Session& session, const mqtt::Frame& frame) {
  mqtt::DecodeOptions options;
  options.version = session.version;
  mqtt::Packet packet;
  if (const mqtt::DecodeError error = mqtt::Decode(frame, options, &packet)) {
    c_.probe.Refuse(mqtt::Name(error.reason));
    c_.io.Close(session, {"CLIENT_ERROR", error.reason, error.what});
    return FrameOutcome::kConsumed;
  }
  const auto& unsubscribe = std::get<mqtt::Unsubscribe>(packet);
  mqtt::Unsuback unsuback;
  unsuback.packet_id = unsubscribe.packet_id;
  for (const std::string_view filter : unsubscribe.filters) {
    unsuback.reasons.push_back(Remove(session, filter));
  }
  session.TrimCold();
  std::string bytes;
  mqtt::EncodeUnsuback(unsuback, session.version, &bytes);
  c_.io.Send(session, bytes);
  return FrameOutcome::kConsumed;
}

ReasonCode SubscribeFlow::Remove(Session& session, std::string_view filter) {
  if (const auto row = RowOfFilter(filter, session.identity->device)) {
    const uint32_t bit = 1u << *row;
    const bool had = (session.own_filters & bit) != 0;
    session.own_filters &= ~bit;
    session.own_filters_qos1 &= ~bit;
    return had ? ReasonCode::kSuccess : ReasonCode::kNoSubscriptionExisted;
  }
  if (!session.cold) return ReasonCode::kNoSubscriptionExisted;
  const size_t removed = std::erase_if(
      session.cold->filters, [&](const StoredFilter& stored) { return stored.filter == filter; });
  return removed > 0 ? ReasonCode::kSuccess : ReasonCode::kNoSubscriptionExisted;
}

int GrantedQos(const Session& session, std::string_view topic) {
  int granted = -1;
  const FilterRows rows = RowsMatching(topic, session.identity->device) & session.own_filters;
  if (rows != 0) granted = (rows & session.own_filters_qos1) != 0 ? 1 : 0;
  if (session.cold == nullptr || granted == 1) return granted;
  for (const StoredFilter& stored : session.cold->filters) {
    if (mqtt::Matches(stored.filter, topic))
      granted = std::max(granted, static_cast<int>(stored.qos));
  }
  return granted;
}

}  // namespace homeport::gateway
