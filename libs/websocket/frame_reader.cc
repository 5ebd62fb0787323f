#include "libs/websocket/frame_reader.h"

#include <cstring>
#include <utility>

#include "libs/json/utf8.h"

namespace homeport::websocket {
namespace {

constexpr uint64_t kControlBytesMax = 125;

bool IsControl(Opcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

// Codes that may be sent in a close frame (RFC 6455, 7.4).
bool MaySend(uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

// The reply's code to a close frame with this payload: its own, where it is one and the reason
// behind it is text (RFC 6455, 5.5.1).
uint16_t ReplyCode(std::string_view payload) {
  if (payload.empty()) return kCloseNormal;
  if (payload.size() == 1) return kCloseProtocolError;
  const auto code = static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 |
                                          static_cast<uint8_t>(payload[1]));
  if (!MaySend(code)) return kCloseProtocolError;
  return json::IsUtf8(payload.substr(2)) ? code : kCloseInvalidPayload;
}

// Of a client's frame: two bytes, a longer length where needed, the mask.
uint64_t HeaderBytes(uint64_t payload_bytes) {
  return 2 + (payload_bytes > 0xffff ? 8 : payload_bytes > 125 ? 2 : 0) + 4;
}

}  // namespace

uint16_t FrameReader::Judge(const FrameParser::Piece& piece, uint64_t frame_bytes_max,
                            std::string_view* why) const {
  const auto broken = [why](uint16_t code, std::string_view text) {
    *why = text;
    return code;
  };
  if (!piece.masked) return broken(kCloseProtocolError, "frame not masked");
  if (piece.reserved_bits) return broken(kCloseProtocolError, "reserved bits set");
  switch (piece.opcode) {
    case Opcode::kPing:
    case Opcode::kPong:
    case Opcode::kClose:
      if (piece.fin && piece.frame_bytes <= kControlBytesMax) return 0;
      return broken(kCloseProtocolError, "control frame fragmented or too long");
    case Opcode::kText:
      return broken(kCloseUnsupportedData, "text frame");
    case Opcode::kBinary:
      if (in_message_) return broken(kCloseProtocolError, "new message inside a message");
      break;
    case Opcode::kContinuation:
      if (!in_message_) return broken(kCloseProtocolError, "continuation of nothing");
      break;
    default:
      return broken(kCloseProtocolError, "unknown opcode");
  }
  if (piece.frame_bytes > frame_bytes_max) return broken(kCloseTooBig, "frame too large");
  return 0;
}

uint16_t FrameReader::OnControl(const FrameParser::Piece& piece, Framer& framer,
                                std::string* replies) {
  if (piece.opcode == Opcode::kPong) return 0;
  if (control_ == nullptr) control_ = std::make_unique<std::string>();
  control_->append(piece.bytes);
  if (frame_left_ != 0) return 0;
  const std::unique_ptr<std::string> payload = std::move(control_);
  if (piece.opcode == Opcode::kClose) return ReplyCode(*payload);
  framer.Append(Opcode::kPong, *payload, {}, replies);
  return 0;
}

FrameReader::Result FrameReader::Read(std::string_view bytes, uint64_t frame_bytes_max,
                                      Framer& framer, char* payload, std::string* replies) {
  Result result;
  if (parser_ == nullptr) parser_ = framer.TakeParser();
  parser_->Feed(bytes);
  unread_ += bytes.size();
  while (true) {
    const FrameParser::Piece piece = parser_->Next();
    if (piece.kind == FrameParser::Piece::Kind::kNeedMore) break;
    uint16_t close = 0;
    if (piece.kind == FrameParser::Piece::Kind::kError) {
      close = kCloseProtocolError;
      result.why = "malformed frame";
    } else if (frame_left_ == 0) {
      close = Judge(piece, frame_bytes_max, &result.why);
    }
    if (close == 0) {
      Account(piece);
      if (IsControl(piece.opcode)) {
        close = OnControl(piece, framer, replies);
      } else if (!piece.bytes.empty()) {
        std::memcpy(payload + result.payload_bytes, piece.bytes.data(), piece.bytes.size());
        result.payload_bytes += piece.bytes.size();
      }
    }
    if (close != 0) {
      framer.AppendClose(close, replies);
      result.ended = true;
      parser_.reset();
      return result;
    }
  }
  if (unread_ == 0 && frame_left_ == 0) framer.GiveBack(std::move(parser_));
  return result;
}

// A frame's header is taken together with the first of its payload.
void FrameReader::Account(const FrameParser::Piece& piece) {
  if (frame_left_ == 0) {
    unread_ -= HeaderBytes(piece.frame_bytes);
    frame_left_ = piece.frame_bytes;
    if (!IsControl(piece.opcode)) in_message_ = !piece.fin;
  }
  unread_ -= piece.bytes.size();
  frame_left_ -= piece.bytes.size();
}

}  // namespace homeport::websocket
