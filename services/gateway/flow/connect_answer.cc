// The part of ConnectFlow that says CONNACK.

#include <string>
#include <utility>

#include "libs/base/log.h"
#include "libs/mqtt/encode.h"
#include "services/gateway/flow/connect_flow.h"
#include "services/gateway/flow/publish_flow.h"
#include "services/gateway/session/encode_to_fit.h"

namespace homeport::gateway {
namespace {

using mqtt::ReasonCode;

// What exactly was wrong with them is for the log alone.
bool TellsOfCredentials(ReasonCode reason) {
  return reason == ReasonCode::kBadUserNameOrPassword || reason == ReasonCode::kNotAuthorized ||
         reason == ReasonCode::kBanned;
}

}  // namespace

void ConnectFlow::SendConnack(Session& session, const Attempt& attempt, bool session_present) {
  mqtt::Connack connack;
  connack.session_present = session_present && !session.is_31;  // that byte of 3.1 is reserved
  if (session.version == mqtt::Version::k5) {
    mqtt::Properties& properties = connack.properties;
    if (attempt.client_id_assigned) properties.assigned_client_id = session.identity->client;
    if (session.keep_alive_s != attempt.keep_alive_s) {
      properties.server_keep_alive_s = session.keep_alive_s;
    }
    properties.receive_max = static_cast<uint16_t>(c_.config.inflight_max);
    properties.packet_bytes_max = c_.config.packet_bytes_max;
    if (attempt.wish.expiry_s != attempt.asked_expiry_s) {
      properties.session_expiry_s = attempt.wish.expiry_s;  // [MQTT-3.2.2-21]
    }
    properties.topic_alias_max = kTopicAliasMax;
  }
  std::string bytes;
  mqtt::EncodeConnack(connack, session.version, &bytes);
  if (!session.FitsClient(bytes.size())) {  // [MQTT-3.1.2-24]
    c_.probe.Refuse("client_packet_bytes_max");
    keeper_.ForgetWill(session);  // of a client that was never told that it is connected
    return c_.io.Close(session, {"CLIENT_ERROR", {}, "no room for CONNACK"});
  }
  c_.io.Send(session, bytes);
}

void ConnectFlow::Refuse(Session& session, ReasonCode reason, std::string_view why,
                         std::string_view counted_as) {
  c_.probe.Refuse(counted_as);
  log::Refusal("connect_refused",
               {{"device", session.identity ? session.identity->device : std::string()},
                {"reason", mqtt::Name(reason)},
                {"why", why},
                {"peer", c_.io.PeerOf(session)}});
  mqtt::Connack connack;
  connack.reason = reason;
  if (session.WantsReasons() && !TellsOfCredentials(reason)) {
    connack.properties.reason_string = why;
  }
  if (mqtt::HasServerReference(reason)) {
    connack.properties.server_reference = c_.config.server_reference;
  }
  const std::string bytes = EncodeToFit(session, std::move(connack), mqtt::EncodeConnack);
  if (session.FitsClient(bytes.size())) c_.io.Send(session, bytes);  // [MQTT-3.1.2-24]
  c_.io.Close(session, {"AUTH_ERROR", {}, why, true});
}

}  // namespace homeport::gateway
