#pragma once

#include <string>

#include "services/gateway/session/session.h"

namespace homeport::gateway {

// The packet's bytes, without its properties where the client does not take so many [MQTT-3.2.2-19,
// 3.4.2-2, 3.5.2-2, 3.9.2-1, 3.14.2-3].
template <typename Packet>
[[nodiscard]] std::string EncodeToFit(const Session& session, Packet packet,
                                      void (*encode)(const Packet&, mqtt::Version, std::string*)) {
  std::string bytes;
  encode(packet, session.version, &bytes);
  if (session.FitsClient(bytes.size())) return bytes;
  packet.properties = {};
  bytes.clear();
  encode(packet, session.version, &bytes);
  return bytes;
}

}  // namespace homeport::gateway
