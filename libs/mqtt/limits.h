#pragma once

#include <cstdint>

namespace homeport::mqtt {

// What a decoder accepts from a peer. Beyond a limit, decoding fails with the code in the comment.
struct Limits {
  uint32_t packet_bytes_max = 256 * 1024;  // whole packet, fixed header included: 0x95
  uint32_t topic_bytes_max = 256;          // PUBLISH and will topics: 0x90
  uint32_t topic_levels_max = 16;          // PUBLISH and will topics: 0x90
  uint32_t filters_per_packet_max = 50;    // SUBSCRIBE, UNSUBSCRIBE, and their answers: 0x97
  uint32_t user_properties_max = 32;       // in one property list: 0x97
  uint32_t subscription_ids_max = 64;      // in one PUBLISH to a client: 0x97
};

// The protocol's own bounds.
inline constexpr uint32_t kRemainingLengthMax = 268'435'455;
inline constexpr uint32_t kStringBytesMax = 65'535;

}  // namespace homeport::mqtt
