#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/mqtt/decode.h"

namespace homeport::mqtt {

// A PUBLISH read in place: the data path's decoder, which allocates nothing. Properties are checked
// but only what routing asks of every message is kept; Properties come from DecodeAllProperties.
// Every view points into the frame's body.
struct PublishView {
  std::string_view topic;
  std::string_view payload;
  std::string_view property_bytes;  // without their length; empty in 3.1.1
  uint16_t packet_id = 0;           // 0 exactly when qos is 0
  uint16_t topic_alias = 0;         // 0: none
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
  std::optional<uint32_t> message_expiry_s;
};

// Accepts and refuses exactly what Decode does. REQUIRES: frame.type is kPublish.
[[nodiscard]] DecodeError DecodePublishView(const Frame& frame, const DecodeOptions& options,
                                            PublishView* out);

// All properties of a view that was decoded with these options.
[[nodiscard]] Properties DecodeAllProperties(const PublishView& view);

// Appends those properties of a PUBLISH or a will that a server passes on unaltered [MQTT-3.3.2-4,
// -15, -16, -17, -20]: all but topic alias, subscription identifiers, will delay and message
// expiry, whose value changes. In their order. REQUIRES: `property_bytes` is of what was decoded.
void AppendForwardedProperties(std::string_view property_bytes, PropertyPlace place,
                               std::string* out);

}  // namespace homeport::mqtt
