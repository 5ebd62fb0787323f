#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libs/mqtt/types.h"

namespace homeport::mqtt {

// One whole packet as it lies in the input: fixed header taken apart, the rest untouched.
struct Frame {
  PacketType type{};
  uint8_t flags = 0;      // lower half of the first byte, valid for the type
  std::string_view body;  // variable header and payload, borrowed from the input
  size_t total_bytes = 0;
};

struct FrameResult {
  enum class Kind : uint8_t { kNeedMore, kFrame, kError };
  Kind kind = Kind::kNeedMore;
  Frame frame;             // kFrame
  size_t total_bytes = 0;  // kNeedMore: size of the packet once its length is known, else 0
  DecodeError error;       // kError: the stream cannot be read any further
};

// What a fixed header may say. MQTT 3.1 lets clients mark SUBSCRIBE, UNSUBSCRIBE and PUBREL as sent
// again (its section 2.1).
enum class HeaderRules : uint8_t { kCurrent, k31 };

// Looks for one packet at the front of `bytes` (MQTT 5 section 2.1, 3.1.1 section 2.2). Checks the
// type, its flags (reserved bits, QoS 3, DUP with QoS 0) and the length's form as soon as their
// bytes are there, and `packet_bytes_max` before the body is: nothing need ever be buffered for a
// packet over the limit (0x95). Stateless: call again with more bytes in front of the same start.
[[nodiscard]] FrameResult DecodeFrame(std::string_view bytes, uint32_t packet_bytes_max,
                                      HeaderRules rules = HeaderRules::kCurrent);

}  // namespace homeport::mqtt
