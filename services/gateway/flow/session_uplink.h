#pragma once

#include <string_view>

#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// What a session has to say of `device`, its own or another: of which session it is, and when. The
// views are the session's and the caller's.
[[nodiscard]] routing::Uplink UplinkOf(const ShardContext& context, const Session& session,
                                       routing::UplinkKind kind, std::string_view device);

// Tells the registry that the session is one of the device's, or no longer; of one that is to
// be provisioned there is no device. Shard's thread only.
void AppendConnected(ShardContext& context, const Session& session, std::string_view device);
void AppendDisconnected(ShardContext& context, const Session& session, std::string_view device,
                        std::string_view reason);

}  // namespace homeport::gateway
