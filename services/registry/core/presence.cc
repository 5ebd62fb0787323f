#include "services/registry/core/presence.h"

#include <algorithm>

namespace homeport::registry {

Presence PresenceOf(const PresenceFacts& facts, int64_t grace_ms, int64_t now_ms) {
  if (facts.connected) return {.online = true};
  int64_t until_ms = 0;
  if (facts.broke_off_ms > 0) until_ms = facts.broke_off_ms + grace_ms;
  if (facts.is_child && facts.hub_online && facts.seen_ms > 0) {
    until_ms = std::max(until_ms, facts.seen_ms + facts.silence_ms);
  }
  return until_ms > now_ms ? Presence{true, until_ms} : Presence{};
}

bool IsBrokenOff(std::string_view reason) {
  return reason == "CONNECTION_LOST" || reason == "SERVER_INITIATED_DISCONNECT" ||
         reason == "SERVER_SHUTDOWN" || reason == "DUPLICATE_CLIENTID";
}

bool IsNewSession(uint64_t epoch, const KnownSession& known) {
  return epoch > (known.present != 0 ? known.present : known.newest);
}

bool IsNewer(const HubNews& news, const HubNews& known) {
  if (news.epoch != known.epoch) return news.epoch > known.epoch;
  return known.online && !news.online;
}

}  // namespace homeport::registry
