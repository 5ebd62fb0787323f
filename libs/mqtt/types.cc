#include "libs/mqtt/types.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>

#include "libs/base/check.h"

namespace homeport::mqtt {
namespace {

constexpr uint16_t In(std::initializer_list<PacketType> types) {
  unsigned mask = 0;
  for (PacketType type : types) mask |= 1u << static_cast<unsigned>(type);
  return static_cast<uint16_t>(mask);
}

constexpr auto kConnack = PacketType::kConnack;
constexpr auto kPuback = PacketType::kPuback;
constexpr auto kPubrec = PacketType::kPubrec;
constexpr auto kPubrel = PacketType::kPubrel;
constexpr auto kPubcomp = PacketType::kPubcomp;
constexpr auto kSuback = PacketType::kSuback;
constexpr auto kUnsuback = PacketType::kUnsuback;
constexpr auto kDisconnect = PacketType::kDisconnect;
constexpr auto kAuth = PacketType::kAuth;

struct ReasonRow {
  ReasonCode code;
  const char* name;
  uint16_t packets;
};

// MQTT 5 table 2-6.
constexpr ReasonRow kReasons[] = {
    {ReasonCode::kSuccess, "success",
     In({kConnack, kPuback, kPubrec, kPubrel, kPubcomp, kSuback, kUnsuback, kDisconnect, kAuth})},
    {ReasonCode::kGrantedQos1, "granted_qos_1", In({kSuback})},
    {ReasonCode::kGrantedQos2, "granted_qos_2", In({kSuback})},
    {ReasonCode::kDisconnectWithWill, "disconnect_with_will", In({kDisconnect})},
    {ReasonCode::kNoMatchingSubscribers, "no_matching_subscribers", In({kPuback, kPubrec})},
    {ReasonCode::kNoSubscriptionExisted, "no_subscription_existed", In({kUnsuback})},
    {ReasonCode::kContinueAuthentication, "continue_authentication", In({kAuth})},
    {ReasonCode::kReAuthenticate, "re_authenticate", In({kAuth})},
    {ReasonCode::kUnspecifiedError, "unspecified_error",
     In({kConnack, kPuback, kPubrec, kSuback, kUnsuback, kDisconnect})},
    {ReasonCode::kMalformedPacket, "malformed_packet", In({kConnack, kDisconnect})},
    {ReasonCode::kProtocolError, "protocol_error", In({kConnack, kDisconnect})},
    {ReasonCode::kImplementationSpecificError, "implementation_specific_error",
     In({kConnack, kPuback, kPubrec, kSuback, kUnsuback, kDisconnect})},
    {ReasonCode::kUnsupportedProtocolVersion, "unsupported_protocol_version", In({kConnack})},
    {ReasonCode::kClientIdentifierNotValid, "client_identifier_not_valid", In({kConnack})},
    {ReasonCode::kBadUserNameOrPassword, "bad_user_name_or_password", In({kConnack})},
    {ReasonCode::kNotAuthorized, "not_authorized",
     In({kConnack, kPuback, kPubrec, kSuback, kUnsuback, kDisconnect})},
    {ReasonCode::kServerUnavailable, "server_unavailable", In({kConnack})},
    {ReasonCode::kServerBusy, "server_busy", In({kConnack, kDisconnect})},
    {ReasonCode::kBanned, "banned", In({kConnack})},
    {ReasonCode::kServerShuttingDown, "server_shutting_down", In({kDisconnect})},
    {ReasonCode::kBadAuthenticationMethod, "bad_authentication_method",
     In({kConnack, kDisconnect})},
    {ReasonCode::kKeepAliveTimeout, "keep_alive_timeout", In({kDisconnect})},
    {ReasonCode::kSessionTakenOver, "session_taken_over", In({kDisconnect})},
    {ReasonCode::kTopicFilterInvalid, "topic_filter_invalid",
     In({kSuback, kUnsuback, kDisconnect})},
    {ReasonCode::kTopicNameInvalid, "topic_name_invalid",
     In({kConnack, kPuback, kPubrec, kDisconnect})},
    {ReasonCode::kPacketIdentifierInUse, "packet_identifier_in_use",
     In({kPuback, kPubrec, kSuback, kUnsuback})},
    {ReasonCode::kPacketIdentifierNotFound, "packet_identifier_not_found", In({kPubrel, kPubcomp})},
    {ReasonCode::kReceiveMaximumExceeded, "receive_maximum_exceeded", In({kDisconnect})},
    {ReasonCode::kTopicAliasInvalid, "topic_alias_invalid", In({kDisconnect})},
    {ReasonCode::kPacketTooLarge, "packet_too_large", In({kConnack, kDisconnect})},
    {ReasonCode::kMessageRateTooHigh, "message_rate_too_high", In({kDisconnect})},
    {ReasonCode::kQuotaExceeded, "quota_exceeded",
     In({kConnack, kPuback, kPubrec, kSuback, kDisconnect})},
    {ReasonCode::kAdministrativeAction, "administrative_action", In({kDisconnect})},
    {ReasonCode::kPayloadFormatInvalid, "payload_format_invalid",
     In({kConnack, kPuback, kPubrec, kDisconnect})},
    {ReasonCode::kRetainNotSupported, "retain_not_supported", In({kConnack, kDisconnect})},
    {ReasonCode::kQosNotSupported, "qos_not_supported", In({kConnack, kDisconnect})},
    {ReasonCode::kUseAnotherServer, "use_another_server", In({kConnack, kDisconnect})},
    {ReasonCode::kServerMoved, "server_moved", In({kConnack, kDisconnect})},
    {ReasonCode::kSharedSubscriptionsNotSupported, "shared_subscriptions_not_supported",
     In({kSuback, kDisconnect})},
    {ReasonCode::kConnectionRateExceeded, "connection_rate_exceeded", In({kConnack, kDisconnect})},
    {ReasonCode::kMaximumConnectTime, "maximum_connect_time", In({kDisconnect})},
    {ReasonCode::kSubscriptionIdentifiersNotSupported, "subscription_identifiers_not_supported",
     In({kSuback, kDisconnect})},
    {ReasonCode::kWildcardSubscriptionsNotSupported, "wildcard_subscriptions_not_supported",
     In({kSuback, kDisconnect})},
};

const ReasonRow* FindReason(ReasonCode code) {
  for (const ReasonRow& row : kReasons) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

constexpr const char* kTypeNames[] = {
    "unknown", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
    "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
    "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
};

constexpr ReasonCode kReturnCodes[] = {
    ReasonCode::kSuccess,
    ReasonCode::kUnsupportedProtocolVersion,
    ReasonCode::kClientIdentifierNotValid,
    ReasonCode::kServerUnavailable,
    ReasonCode::kBadUserNameOrPassword,
    ReasonCode::kNotAuthorized,
};

}  // namespace

std::string_view Name(PacketType type) {
  const auto index = static_cast<size_t>(type);
  return kTypeNames[index < std::size(kTypeNames) ? index : 0];
}

std::string_view Name(ReasonCode code) {
  const ReasonRow* row = FindReason(code);
  return row == nullptr ? "unknown" : row->name;
}

bool IsAllowed(ReasonCode code, PacketType type) {
  const ReasonRow* row = FindReason(code);
  return row != nullptr && (row->packets >> static_cast<unsigned>(type) & 1u) != 0;
}

uint8_t ToConnackReturnCode(ReasonCode code) {
  const auto* const found = std::find(std::begin(kReturnCodes), std::end(kReturnCodes), code);
  if (found != std::end(kReturnCodes)) {
    return static_cast<uint8_t>(found - std::begin(kReturnCodes));
  }
  switch (code) {
    case ReasonCode::kMalformedPacket:
    case ReasonCode::kProtocolError:
    case ReasonCode::kBanned:
    case ReasonCode::kBadAuthenticationMethod:
    case ReasonCode::kTopicNameInvalid:
    case ReasonCode::kPacketTooLarge:
    case ReasonCode::kPayloadFormatInvalid:
    case ReasonCode::kRetainNotSupported:
    case ReasonCode::kQosNotSupported:
      return 5;
    default:
      return 3;
  }
}

ReasonCode FromConnackReturnCode(uint8_t return_code) {
  HP_CHECK(return_code < std::size(kReturnCodes));
  return kReturnCodes[return_code];
}

}  // namespace homeport::mqtt
