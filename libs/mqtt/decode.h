#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libs/mqtt/frame_decoder.h"
#include "libs/mqtt/limits.h"
#include "libs/mqtt/packets.h"

namespace homeport::mqtt {

// Which end of the connection is decoding.
enum class Side : uint8_t { kServer, kClient };

struct DecodeOptions {
  Version version = Version::k311;  // what CONNECT agreed; a CONNECT brings its own
  Side side = Side::kServer;
  Limits limits;
};

// Decodes one frame completely. On success `out` holds the packet; on failure its value is
// unspecified. Strings in `out` point into `frame.body`.
//
// Reasons: 0x81 the bytes have not the packet's form, or a filter or topic not its own; 0x82 they
// have, but say what the protocol forbids, or this side must never receive the type; 0x84 a CONNECT
// for another protocol or version (see ConnackVersion); 0x90 a topic beyond the limits; 0x94 topic
// alias 0; 0x97 beyond a limit of count.
//
// Left to the caller, who alone knows: rules on client ids, topic aliases' range, packets out of
// order, and filters beyond the limits of length and depth, which SUBACK answers one by one.
[[nodiscard]] DecodeError Decode(const Frame& frame, const DecodeOptions& options, Packet* out);

// The version in which to answer a CONNECT that could not be decoded: k5 for level 5 and above,
// k311 below; nullopt where the bytes name no MQTT at all and the connection is just closed.
[[nodiscard]] std::optional<Version> ConnackVersion(std::string_view connect_body);

}  // namespace homeport::mqtt
