#pragma once

#include <variant>

#include "libs/mqtt/decode.h"
#include "services/gateway/flow/decode_options.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Counts a packet that could not be decoded, and ends its session with the reason.
inline void RefusePacket(ShardContext& context, Session& session, const mqtt::DecodeError& error) {
  context.probe.Refuse(mqtt::Name(error.reason));
  context.io.Close(session, {"CLIENT_ERROR", error.reason, error.what});
}

// The packet of a client that is online, decoded into `storage`; it borrows from `frame`. Null
// where it was refused, and the session ended. REQUIRES: the frame's type is that of T.
template <typename T>
[[nodiscard]] const T* ReadPacket(ShardContext& context, Session& session, const mqtt::Frame& frame,
                                  mqtt::Packet& storage) {
  const mqtt::DecodeOptions options = DecodeOptionsOf(context.config, session.version);
  if (const mqtt::DecodeError error = mqtt::Decode(frame, options, &storage)) {
    RefusePacket(context, session, error);
    return nullptr;
  }
  return &std::get<T>(storage);
}

}  // namespace homeport::gateway
