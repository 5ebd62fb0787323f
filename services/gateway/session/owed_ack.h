#pragma once

#include <cstdint>

#include "libs/mqtt/types.h"
#include "services/gateway/session/session_handle.h"

namespace homeport::gateway {

// A PUBACK or PUBREC owed to a session, due when the batch it stands in has been appended.
struct OwedAck {
  SessionHandle session;
  uint16_t packet_id = 0;
  mqtt::PacketType type = mqtt::PacketType::kPuback;
  mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess;
  bool is_listed = false;  // among those of its session that are to be told in order
};

}  // namespace homeport::gateway
