#pragma once

#include <cstdint>
#include <string_view>

// The vocabulary of MQTT 3.1.1 and 5.0. Values are those on the wire.
namespace homeport::mqtt {

enum class PacketType : uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};

// A CONNECT of MQTT 3.1 ("MQIsdp", level 3) is spoken as k311.
enum class Version : uint8_t { k311 = 4, k5 = 5 };

enum class Qos : uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };

// MQTT 5 section 2.4.
enum class ReasonCode : uint8_t {
  kSuccess = 0x00,  // also: normal disconnection, granted QoS 0
  kGrantedQos1 = 0x01,
  kGrantedQos2 = 0x02,
  kDisconnectWithWill = 0x04,
  kNoMatchingSubscribers = 0x10,
  kNoSubscriptionExisted = 0x11,
  kContinueAuthentication = 0x18,
  kReAuthenticate = 0x19,
  kUnspecifiedError = 0x80,
  kMalformedPacket = 0x81,
  kProtocolError = 0x82,
  kImplementationSpecificError = 0x83,
  kUnsupportedProtocolVersion = 0x84,
  kClientIdentifierNotValid = 0x85,
  kBadUserNameOrPassword = 0x86,
  kNotAuthorized = 0x87,
  kServerUnavailable = 0x88,
  kServerBusy = 0x89,
  kBanned = 0x8A,
  kServerShuttingDown = 0x8B,
  kBadAuthenticationMethod = 0x8C,
  kKeepAliveTimeout = 0x8D,
  kSessionTakenOver = 0x8E,
  kTopicFilterInvalid = 0x8F,
  kTopicNameInvalid = 0x90,
  kPacketIdentifierInUse = 0x91,
  kPacketIdentifierNotFound = 0x92,
  kReceiveMaximumExceeded = 0x93,
  kTopicAliasInvalid = 0x94,
  kPacketTooLarge = 0x95,
  kMessageRateTooHigh = 0x96,
  kQuotaExceeded = 0x97,
  kAdministrativeAction = 0x98,
  kPayloadFormatInvalid = 0x99,
  kRetainNotSupported = 0x9A,
  kQosNotSupported = 0x9B,
  kUseAnotherServer = 0x9C,
  kServerMoved = 0x9D,
  kSharedSubscriptionsNotSupported = 0x9E,
  kConnectionRateExceeded = 0x9F,
  kMaximumConnectTime = 0xA0,
  kSubscriptionIdentifiersNotSupported = 0xA1,
  kWildcardSubscriptionsNotSupported = 0xA2,
};

[[nodiscard]] constexpr bool IsFailure(ReasonCode code) {
  return static_cast<uint8_t>(code) >= 0x80;
}

// Whether CONNACK and DISCONNECT with `code` may say where the client is to go (MQTT 5 section
// 4.11).
[[nodiscard]] constexpr bool HasServerReference(ReasonCode code) {
  return code == ReasonCode::kUseAnotherServer || code == ReasonCode::kServerMoved;
}

// Why a peer's bytes were refused. `what` is a short static text for logs, never from the wire.
struct DecodeError {
  ReasonCode reason = ReasonCode::kSuccess;
  const char* what = "";

  [[nodiscard]] bool ok() const { return reason == ReasonCode::kSuccess; }
  // True when decoding failed: `if (DecodeError error = Decode(...)) return Close(error);`
  explicit operator bool() const { return !ok(); }
};

// "PUBLISH", "topic_name_invalid"; "unknown" for values outside the enum.
[[nodiscard]] std::string_view Name(PacketType type);
[[nodiscard]] std::string_view Name(ReasonCode code);

// Whether MQTT 5 lets a packet of `type` carry `code`. SUBACK and UNSUBACK: each payload byte.
[[nodiscard]] bool IsAllowed(ReasonCode code, PacketType type);

// CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3): 0-5. Codes of MQTT 5 without a counterpart
// become 5 (not authorized) where the client is at fault and 3 (server unavailable) otherwise.
[[nodiscard]] uint8_t ToConnackReturnCode(ReasonCode code);
// REQUIRES: return_code <= 5.
[[nodiscard]] ReasonCode FromConnackReturnCode(uint8_t return_code);

}  // namespace homeport::mqtt
