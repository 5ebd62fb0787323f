#pragma once

#include <string>
#include <string_view>

#include "libs/mqtt/types.h"
#include "services/gateway/session/session.h"

namespace homeport::gateway {

// Why a session ended: one of AWS IoT's disconnectReason words, and the code an MQTT 5 client gets.
struct CloseCause {
  std::string_view word;                                 // "CLIENT_ERROR", static text
  mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess;  // kSuccess: nothing is sent
  std::string_view detail;                               // for the log, and the client
  bool is_answered = false;                              // by a CONNACK that refuses it
};

// The DISCONNECT that says so, with its reason string and server reference; they are left out where
// they do not fit [MQTT-3.14.2-3]. Nothing where the client cannot be told.
[[nodiscard]] std::string GoodbyeOf(const Session& session, const CloseCause& cause,
                                    const std::string& server_reference);

}  // namespace homeport::gateway
