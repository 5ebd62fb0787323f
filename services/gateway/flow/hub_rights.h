#pragma once

#include <string_view>

#include "libs/auth/topic_policy.h"
#include "services/gateway/session/session.h"

// What the session of a hub may do on behalf of its children: publish on their topics and subscribe
// to them. Whose child a device is only the registry knows; it refuses what comes for others
// (services/registry/core/apply_child.cc). Pure.
namespace homeport::gateway {

// Whether it is a session of a device whose product may have children.
[[nodiscard]] bool IsHub(const Session& session);

// The child for which a hub publishes on a topic of class kForeign; then `topic` is what the topic
// means for that child. Empty, and `topic` unchanged: it may not.
[[nodiscard]] std::string_view ChildOf(const Session& session, std::string_view name,
                                       auth::Topic& topic);

// Whether a filter matches only what is sent to this session: of its device, or for a hub of any.
[[nodiscard]] bool IsOwnFilter(const Session& session, std::string_view filter);

}  // namespace homeport::gateway
