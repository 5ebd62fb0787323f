#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/mqtt/properties.h"
#include "libs/mqtt/types.h"

// The fifteen control packets as plain data, the same for 3.1.1 and 5: what a version lacks keeps
// its default when decoded and is not written when encoded.
//
// Every std::string_view borrows. In a decoded packet it points into the frame's bytes, so a packet
// must not outlive the buffer it was decoded from.
namespace homeport::mqtt {

struct Will {
  std::string_view topic;
  std::string_view payload;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  Properties properties;
  std::string_view property_bytes{};  // the same as they came, without their length; decoded only

  friend bool operator==(const Will& a, const Will& b) {
    return a.topic == b.topic && a.payload == b.payload && a.qos == b.qos && a.retain == b.retain &&
           a.properties == b.properties;
  }
};

struct Connect {
  Version version = Version::k311;
  bool is_31 = false;       // MQTT 3.1, with version k311: what follows is the same in both
  bool clean_start = true;  // "clean session" in 3.1.1
  uint16_t keep_alive_s = 0;
  std::string_view client_id;  // may be empty: whether to accept that is the server's rule
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  std::optional<Will> will;
  Properties properties;
  friend bool operator==(const Connect&, const Connect&) = default;
};

struct Connack {
  bool session_present = false;
  ReasonCode reason = ReasonCode::kSuccess;  // 3.1.1 return codes are mapped (types.h)
  Properties properties;
  friend bool operator==(const Connack&, const Connack&) = default;
};

struct Publish {
  std::string_view topic;  // empty only in version 5 with a topic alias
  std::string_view payload;
  uint16_t packet_id = 0;  // 0 exactly when qos is 0
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
  Properties properties;
  friend bool operator==(const Publish&, const Publish&) = default;
};

template <PacketType kType>
struct Acknowledgement {
  uint16_t packet_id = 0;
  ReasonCode reason = ReasonCode::kSuccess;
  Properties properties;
  friend bool operator==(const Acknowledgement&, const Acknowledgement&) = default;
};
using Puback = Acknowledgement<PacketType::kPuback>;
using Pubrec = Acknowledgement<PacketType::kPubrec>;
using Pubrel = Acknowledgement<PacketType::kPubrel>;
using Pubcomp = Acknowledgement<PacketType::kPubcomp>;

enum class RetainHandling : uint8_t { kSend = 0, kSendIfNew = 1, kDoNotSend = 2 };

struct Subscription {
  std::string_view filter;
  Qos qos = Qos::kAtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  RetainHandling retain_handling = RetainHandling::kSend;
  friend bool operator==(const Subscription&, const Subscription&) = default;
};

struct Subscribe {
  uint16_t packet_id = 0;
  std::vector<Subscription> subscriptions;  // never empty when decoded
  Properties properties;
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct Suback {
  uint16_t packet_id = 0;
  std::vector<ReasonCode> reasons;  // 3.1.1 knows 0, 1, 2 and 0x80, which stands for any failure
  Properties properties;
  friend bool operator==(const Suback&, const Suback&) = default;
};

struct Unsubscribe {
  uint16_t packet_id = 0;
  std::vector<std::string_view> filters;  // never empty when decoded
  Properties properties;
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

struct Unsuback {
  uint16_t packet_id = 0;
  std::vector<ReasonCode> reasons;  // empty in 3.1.1
  Properties properties;
  friend bool operator==(const Unsuback&, const Unsuback&) = default;
};

struct Pingreq {
  friend bool operator==(const Pingreq&, const Pingreq&) = default;
};

struct Pingresp {
  friend bool operator==(const Pingresp&, const Pingresp&) = default;
};

struct Disconnect {
  ReasonCode reason = ReasonCode::kSuccess;
  Properties properties;
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

struct Auth {
  ReasonCode reason = ReasonCode::kSuccess;
  Properties properties;
  friend bool operator==(const Auth&, const Auth&) = default;
};

// The alternative's index + 1 is its PacketType.
using Packet = std::variant<Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe,
                            Suback, Unsubscribe, Unsuback, Pingreq, Pingresp, Disconnect, Auth>;

[[nodiscard]] inline PacketType TypeOf(const Packet& packet) {
  return static_cast<PacketType>(packet.index() + 1);
}

}  // namespace homeport::mqtt
