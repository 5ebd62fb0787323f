#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace homeport::websocket {

// What a server makes of the bytes with which a WebSocket connection begins (RFC 6455, 4.2).
struct UpgradeResult {
  enum class Kind : uint8_t {
    kNeedMore,
    kAccepted,  // send `response`; frames begin at `bytes_taken`
    kRefused,   // send `response`, then close
  };
  Kind kind = Kind::kNeedMore;
  size_t bytes_taken = 0;
  std::string response = {};
  std::string_view why = {};  // of a refusal; static text
};

// Reads an upgrade to MQTT: GET /mqtt or / (a query may follow) with subprotocol `mqtt` or
// `mqttv3.1`. `bytes` are everything received so far, each time from the first byte on. A head of
// more than `head_bytes_max` is refused. Pure.
[[nodiscard]] UpgradeResult ReadUpgrade(std::string_view bytes, size_t head_bytes_max);

}  // namespace homeport::websocket
