#include "services/gateway/inspect/session_view.h"

#include <google/protobuf/util/time_util.h>

#include <bit>
#include <string>

#include "libs/base/strings.h"
#include "services/gateway/pubsub/pub_sub.h"
#include "services/gateway/session/own_filters.h"

namespace homeport::gateway {
namespace {

using google::protobuf::util::TimeUtil;
using View = session::v1::Session;

View::Transport TransportOf(const Session& session) {
  const bool tls = session.transport.is_tls();
  if (session.websocket) return tls ? View::TRANSPORT_WEBSOCKET_TLS : View::TRANSPORT_WEBSOCKET;
  return tls ? View::TRANSPORT_TLS : View::TRANSPORT_TCP;
}

View::CredentialKind CredentialOf(const Identity& identity, bool anonymous) {
  if (identity.claim) return View::CREDENTIAL_KIND_CLAIM_CERTIFICATE;
  if (identity.certificate) return View::CREDENTIAL_KIND_CERTIFICATE;
  if (identity.credential != 0) return View::CREDENTIAL_KIND_DEVICE_CREDENTIAL;
  return anonymous ? View::CREDENTIAL_KIND_ANONYMOUS : View::CREDENTIAL_KIND_FLEET_KEY;
}

void AddSubscription(View& out, std::string filter, mqtt::Qos qos, bool own) {
  session::v1::Subscription& subscription = *out.add_subscriptions();
  subscription.set_filter(std::move(filter));
  subscription.set_qos(static_cast<int>(qos));
  subscription.set_own(own);
}

void AddSubscriptions(const Session& session, View& out) {
  for (uint32_t rows = session.own_filters; rows != 0; rows &= rows - 1) {
    const int row = std::countr_zero(rows);
    const bool qos1 = (session.own_filters_qos1 >> row & 1) != 0;
    AddSubscription(out, FilterOfRow(row, session.identity->device),
                    qos1 ? mqtt::Qos::kAtLeastOnce : mqtt::Qos::kAtMostOnce, true);
  }
  if (!session.cold) return;
  for (const StoredFilter& stored : session.cold->filters) {
    AddSubscription(out, stored.filter, stored.qos, true);
  }
  if (!session.cold->subscriber) return;
  for (const auto& filter : session.cold->subscriber->filters) {
    std::string text = filter->filter;
    if (filter->group != nullptr) text = fmt::format("$share/{}/{}", filter->group->name, text);
    AddSubscription(out, std::move(text), filter->qos, false);
  }
}

int SubscriptionCount(const Session& session) {
  int count = std::popcount(session.own_filters);
  if (!session.cold) return count;
  count += static_cast<int>(session.cold->filters.size());
  if (session.cold->subscriber) {
    count += static_cast<int>(session.cold->subscriber->filters.size());
  }
  return count;
}

}  // namespace

std::string_view TenantOf(const Identity& identity) {
  if (identity.product) return identity.product->tenant;
  if (identity.certificate) return identity.certificate->tenant();
  return {};
}

bool MaySee(const Session& session, std::string_view tenant, bool anonymous) {
  if (session.phase != Phase::kOnline && !session.is_away()) return false;
  return anonymous || TenantOf(*session.identity) == tenant;
}

Backlog BacklogOf(const Session& session) {
  Backlog backlog;
  if (!session.cold) return backlog;
  const ColdState& cold = *session.cold;
  if (session.is_away()) {
    if (!cold.kept) return backlog;
    backlog.messages = cold.kept->queued;
    backlog.bytes = cold.kept->queued_bytes;
    return backlog;
  }
  backlog.messages = static_cast<uint32_t>(cold.outbound.waiting());
  backlog.in_flight = static_cast<uint32_t>(cold.outbound.size() - cold.outbound.waiting());
  backlog.bytes = cold.outbound.payload_bytes() + cold.output.size() - cold.output_sent;
  return backlog;
}

void SessionView::Describe(const Session& session, Detail detail, View& out) const {
  const Identity& identity = *session.identity;
  out.set_device(identity.device);
  out.set_client_id(identity.client);
  if (identity.product) out.set_product(identity.product->product);
  out.set_state(session.is_away() ? View::STATE_AWAY : View::STATE_CONNECTED);
  out.set_pod(c_.pod.str());
  out.set_epoch(static_cast<int64_t>(session.epoch));
  if (!session.is_away()) DescribeConnection(session, out);
  if (const Kept* kept = session.kept(); kept != nullptr && kept->expiry_s > 0) {
    *out.mutable_session_expiry() = TimeUtil::SecondsToDuration(kept->expiry_s);
    if (session.is_away() && kept->end_due_ms != 0) {
      const int64_t left_ms = kept->end_due_ms - c_.reactor.now().value;
      *out.mutable_expire_time() =
          TimeUtil::MillisecondsToTimestamp(c_.reactor.wall().value + left_ms);
    }
  }
  out.set_subscription_count(SubscriptionCount(session));
  if (detail == Detail::kFull) AddSubscriptions(session, out);
  const Backlog backlog = BacklogOf(session);
  out.set_in_flight_to_client(static_cast<int>(backlog.in_flight));
  out.set_queued_messages(static_cast<int>(backlog.messages));
  out.set_queued_bytes(static_cast<int64_t>(backlog.bytes));
  out.set_has_will(session.cold && session.cold->will);
  DescribeTraffic(session, out);
}

void SessionView::DescribeConnection(const Session& session, View& out) const {
  const Identity& identity = *session.identity;
  const auto at = [&](int64_t monotonic_ms) {
    const int64_t ago_ms = c_.reactor.now().value - monotonic_ms;
    return TimeUtil::MillisecondsToTimestamp(c_.reactor.wall().value - ago_ms);
  };
  *out.mutable_connect_time() = at(int64_t{identity.connected_s} * 1000);
  *out.mutable_last_receive_time() = at(int64_t{session.last_active} * SessionIo::kTickMs);
  out.set_transport(TransportOf(session));
  out.set_peer_address(c_.io.PeerOf(session));
  out.set_protocol_version(session.version == mqtt::Version::k5
                               ? View::PROTOCOL_VERSION_MQTT_5
                               : View::PROTOCOL_VERSION_MQTT_3_1_1);
  out.set_credential_kind(CredentialOf(identity, c_.config.anonymous));
  if (identity.certificate) out.set_certificate_id(identity.certificate->id());
  if (identity.inventory) out.set_sdk_metrics(*identity.inventory);
  *out.mutable_keep_alive() = TimeUtil::SecondsToDuration(session.keep_alive_s);
  out.set_in_flight_from_client(session.unacked_up);
  if (session.cold) {
    out.set_unreleased_from_client(static_cast<int>(session.cold->from_device_qos2.size()));
  }
}

void SessionView::DescribeTraffic(const Session& session, View& out) const {
  const Traffic traffic = c_.traffic.Of(session.handle());
  const int64_t period_ms = c_.traffic.period_ms(c_.reactor.now());
  if (traffic.messages() == 0 || period_ms <= 0) return;
  session::v1::Traffic& view = *out.mutable_traffic();
  *view.mutable_period() = TimeUtil::MillisecondsToDuration(period_ms);
  view.set_messages_from_client(static_cast<int64_t>(traffic.messages_from_client));
  view.set_messages_to_client(static_cast<int64_t>(traffic.messages_to_client));
  view.set_bytes_from_client(static_cast<int64_t>(traffic.bytes_from_client));
  view.set_bytes_to_client(static_cast<int64_t>(traffic.bytes_to_client));
  const double seconds = static_cast<double>(period_ms) / 1000;
  view.set_messages_per_second(static_cast<double>(traffic.messages()) / seconds);
  view.set_bytes_per_second(static_cast<double>(traffic.bytes()) / seconds);
}

}  // namespace homeport::gateway
