#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/websocket/framer.h"

namespace homeport::websocket {

// The server's reading side of one WebSocket connection (RFC 6455): takes bytes as they come and
// gives the payload of the binary messages as one stream, however it was cut into frames. Holds a
// few words between frames, a parser (4 KiB) only within one. Not thread-safe.
class FrameReader {
 public:
  struct Result {
    size_t payload_bytes = 0;
    bool ended = false;         // nothing more is read: the peer closed, or it broke a rule
    std::string_view why = {};  // of a broken rule: static text
  };

  // Writes payload to `payload`. REQUIRES: room for bytes.size() there, and no result has `ended`.
  // Frames to send (pong, close) are appended to `replies`. A frame of more than `frame_bytes_max`
  // breaks a rule, as do unmasked and text frames.
  [[nodiscard]] Result Read(std::string_view bytes, uint64_t frame_bytes_max, Framer& framer,
                            char* payload, std::string* replies);

 private:
  // The close code for a frame that may not come here; 0: it may.
  [[nodiscard]] uint16_t Judge(const FrameParser::Piece& piece, uint64_t frame_bytes_max,
                               std::string_view* why) const;
  [[nodiscard]] uint16_t OnControl(const FrameParser::Piece& piece, Framer& framer,
                                   std::string* replies);

  void Account(const FrameParser::Piece& piece);

  std::unique_ptr<FrameParser> parser_;   // only within a frame or its header
  std::unique_ptr<std::string> control_;  // a ping's or close's payload so far
  uint64_t unread_ = 0;                   // bytes the parser holds: those of a header
  uint64_t frame_left_ = 0;               // payload of the current frame still to come
  bool in_message_ = false;               // its last frame is still to come
};

}  // namespace homeport::websocket
