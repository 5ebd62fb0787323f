#pragma once

#include <string_view>

#include "libs/auth/access_policy.h"
#include "libs/auth/topic_policy.h"
#include "services/gateway/config.h"
#include "services/gateway/session/session.h"

// What a client may do with topics that are not its device's own: what its product's policy allows,
// and everything for anonymous clients. Pure; nothing here allocates.
namespace homeport::gateway {

// `topic_class` is the topic's for this client.
[[nodiscard]] bool MayBroadcast(const GatewayConfig& config, const Identity& identity,
                                auth::TopicClass topic_class, std::string_view topic, bool retain);

// A filter without "$share/<group>/".
[[nodiscard]] bool MayFollow(const GatewayConfig& config, const Identity& identity,
                             std::string_view filter);

}  // namespace homeport::gateway
