#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/mqtt/limits.h"
#include "libs/mqtt/types.h"
#include "libs/mqtt/wire.h"

// MQTT 5 properties (section 2.2.2): one table says each property's type and where it may stand.
namespace homeport::mqtt {

enum class PropertyId : uint8_t {
  kPayloadFormatIndicator = 0x01,
  kMessageExpiryInterval = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionIdentifier = 0x0B,
  kSessionExpiryInterval = 0x11,
  kAssignedClientIdentifier = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kRequestProblemInformation = 0x17,
  kWillDelayInterval = 0x18,
  kRequestResponseInformation = 0x19,
  kResponseInformation = 0x1A,
  kServerReference = 0x1C,
  kReasonString = 0x1F,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardSubscriptionAvailable = 0x28,
  kSubscriptionIdentifierAvailable = 0x29,
  kSharedSubscriptionAvailable = 0x2A,
};

using UserProperty = std::pair<std::string_view, std::string_view>;

// The properties of one packet, or of a will. Views borrow: decoded ones from the input bytes.
struct Properties {
  std::optional<bool> payload_is_utf8;
  std::optional<uint32_t> message_expiry_s;
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> response_topic;
  std::optional<std::string_view> correlation_data;
  std::optional<uint32_t> session_expiry_s;
  std::optional<std::string_view> assigned_client_id;
  std::optional<uint16_t> server_keep_alive_s;
  std::optional<std::string_view> authentication_method;
  std::optional<std::string_view> authentication_data;
  std::optional<bool> request_problem_information;
  std::optional<uint32_t> will_delay_s;
  std::optional<bool> request_response_information;
  std::optional<std::string_view> response_information;
  std::optional<std::string_view> server_reference;
  std::optional<std::string_view> reason_string;
  std::optional<uint16_t> receive_max;
  std::optional<uint16_t> topic_alias_max;
  std::optional<uint16_t> topic_alias;
  std::optional<uint8_t> qos_max;
  std::optional<bool> retain_available;
  std::optional<uint32_t> packet_bytes_max;
  std::optional<bool> wildcard_subscription_available;
  std::optional<bool> subscription_id_available;
  std::optional<bool> shared_subscription_available;
  std::vector<uint32_t> subscription_ids;
  std::vector<UserProperty> user_properties;

  friend bool operator==(const Properties&, const Properties&) = default;
};

// Where a property list stands: a packet of that type, or the will inside a CONNECT.
enum class PropertyPlace : uint8_t { kWill = 0 };
[[nodiscard]] constexpr PropertyPlace PlaceOf(PacketType type) {
  return static_cast<PropertyPlace>(type);
}

// One property as read. `number` holds integers, `text` strings and binary data; a user property
// has `name` too.
struct Property {
  PropertyId id{};
  uint32_t number = 0;
  std::string_view name;
  std::string_view text;
};

// Walks the bytes of one property list (without its length) and checks each property's place,
// repetition and value. No allocation. `bytes` must outlive the walker and what it yields.
class PropertyWalker {
 public:
  PropertyWalker(std::string_view bytes, PropertyPlace place) : reader_(bytes), place_(place) {}

  [[nodiscard]] bool AtEnd() const { return reader_.AtEnd(); }
  [[nodiscard]] size_t remaining() const { return reader_.remaining(); }
  // REQUIRES: !AtEnd().
  [[nodiscard]] DecodeError Next(Property* out);

 private:
  Reader reader_;
  PropertyPlace place_;
  uint64_t seen_ = 0;  // bit per property id
};

// Reads a whole list from its bytes, length prefix excluded.
[[nodiscard]] DecodeError DecodeProperties(std::string_view bytes, PropertyPlace place,
                                           const Limits& limits, Properties* out);

// Appends the length and the properties which `place` allows; others are left out.
void EncodeProperties(const Properties& properties, PropertyPlace place, std::string* out);
// The same without the length, as properties stand in the middle of a list.
void AppendProperties(const Properties& properties, PropertyPlace place, std::string* out);
// Bytes of that list without its length.
[[nodiscard]] size_t PropertyBytes(const Properties& properties, PropertyPlace place);

}  // namespace homeport::mqtt
