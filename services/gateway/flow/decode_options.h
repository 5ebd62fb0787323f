#pragma once

#include <algorithm>

#include "libs/mqtt/decode.h"
#include "services/gateway/config.h"

namespace homeport::gateway {

// What a client's packets may hold.
[[nodiscard]] inline mqtt::Limits LimitsOf(const GatewayConfig& config) {
  mqtt::Limits limits;
  limits.packet_bytes_max = config.packet_bytes_max;
  limits.topic_bytes_max = config.topic_bytes_max;
  limits.topic_levels_max = config.topic_levels_max;
  limits.user_properties_max = config.user_properties_max;
  // More than a session may have, so that SUBACK can say which of them it cannot.
  constexpr uint32_t kFilters = 1000;
  limits.filters_per_packet_max = std::max(kFilters, config.subscriptions_max);
  return limits;
}

[[nodiscard]] inline mqtt::DecodeOptions DecodeOptionsOf(const GatewayConfig& config,
                                                         mqtt::Version version) {
  mqtt::DecodeOptions options;
  options.version = version;
  options.limits = LimitsOf(config);
  return options;
}

}  // namespace homeport::gateway
