#pragma once

#include <cstdint>
#include <string_view>

namespace homeport::registry {

// The rules of presence (MIoT-Spec-V2), on facts as values. Pure.

struct PresenceFacts {
  bool connected = false;  // the device has a session of its own
  // When its last session broke off, not ended by a goodbye; 0: it did not.
  int64_t broke_off_ms = 0;
  // Of a child: what is known of its hub, and when it was last heard.
  bool is_child = false;
  bool hub_online = false;
  int64_t seen_ms = 0;
  int64_t silence_ms = 0;
};

struct Presence {
  bool online = false;
  // When these same facts will say something else; 0: never.
  int64_t until_ms = 0;
};

// A device is online while it is connected, for `grace_ms` after its connection broke off (a flap,
// or a gateway that drains), and, as a child, while its hub is and it is not silent for too long.
[[nodiscard]] Presence PresenceOf(const PresenceFacts& facts, int64_t grace_ms, int64_t now_ms);

// Whether a client whose session ended for this reason, one of AWS IoT's words, is likely to be
// back at once: its connection was cut, or the server sent it away.
[[nodiscard]] bool IsBrokenOff(std::string_view reason);

// What is known of a client's session: the epoch of the one that is there, and, of the main client,
// that of its newest so far, which outlives it. 0: none, and for clients beside the main one.
struct KnownSession {
  uint64_t present = 0;
  uint64_t newest = 0;
};
// Whether what came under `epoch` tells of a session that is not known yet. The session of the
// newest epoch is known even when it has ended: what comes of it late revives nothing. Epoch 0 is
// no session's, such as a will's.
[[nodiscard]] bool IsNewSession(uint64_t epoch, const KnownSession& known);

// News of a hub's session, as its children hear them; of two the one with the higher epoch is the
// newer, and of one epoch the end.
struct HubNews {
  uint64_t epoch = 0;
  bool online = false;
};
[[nodiscard]] bool IsNewer(const HubNews& news, const HubNews& known);

}  // namespace homeport::registry
