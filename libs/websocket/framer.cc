#include "libs/websocket/framer.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "libs/base/check.h"

namespace homeport::websocket {
namespace {

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

FrameParser::FrameParser() {
  const wslay_frame_callbacks callbacks = {nullptr, &FrameParser::Receive, nullptr};
  HP_CHECK(wslay_frame_context_init(&context_, &callbacks, this) == 0);
}

FrameParser::~FrameParser() { wslay_frame_context_free(context_); }

ssize_t FrameParser::Receive(uint8_t* out, size_t size, int /*flags*/, void* self) {
  std::string_view& input = static_cast<FrameParser*>(self)->input_;
  if (input.empty()) return -1;  // the library takes this for "later"
  const size_t count = std::min(size, input.size());
  std::memcpy(out, input.data(), count);
  input.remove_prefix(count);
  return static_cast<ssize_t>(count);
}

FrameParser::Piece FrameParser::Next() {
  wslay_frame_iocb frame{};
  const ssize_t got = wslay_frame_recv(context_, &frame);
  Piece piece;
  if (got == WSLAY_ERR_WANT_READ) return piece;
  if (got < 0) {
    piece.kind = Piece::Kind::kError;
    return piece;
  }
  piece.kind = Piece::Kind::kPiece;
  piece.opcode = static_cast<Opcode>(frame.opcode);
  piece.fin = frame.fin != 0;
  piece.masked = frame.mask != 0;
  piece.reserved_bits = frame.rsv != 0;
  piece.frame_bytes = frame.payload_length;
  if (frame.data_length != 0) {
    piece.bytes = {reinterpret_cast<const char*>(frame.data), frame.data_length};
  }
  return piece;
}

Framer::Framer() {
  const wslay_frame_callbacks callbacks = {&Framer::Send, nullptr, nullptr};
  HP_CHECK(wslay_frame_context_init(&writer_, &callbacks, this) == 0);
}

Framer::~Framer() { wslay_frame_context_free(writer_); }

ssize_t Framer::Send(const uint8_t* data, size_t size, int /*flags*/, void* self) {
  static_cast<Framer*>(self)->out_->append(reinterpret_cast<const char*>(data), size);
  return static_cast<ssize_t>(size);
}

void Framer::Append(Opcode opcode, std::string_view head, std::string_view body, std::string* out) {
  constexpr size_t kHeaderBytesMax = 10;
  out_ = out;
  out->reserve(out->size() + kHeaderBytesMax + head.size() + body.size());
  wslay_frame_iocb frame{};
  frame.fin = 1;
  frame.opcode = static_cast<uint8_t>(opcode);
  frame.payload_length = head.size() + body.size();
  // The sink takes everything, so that each piece goes in one call; an empty frame needs one too.
  for (const std::string_view piece : {head, body}) {
    if (piece.empty() && frame.payload_length != 0) continue;
    frame.data = Bytes(piece);
    frame.data_length = piece.size();
    HP_CHECK(wslay_frame_send(writer_, &frame) == static_cast<ssize_t>(piece.size()));
    if (frame.payload_length == 0) break;
  }
  out_ = nullptr;
}

void Framer::AppendClose(uint16_t code, std::string* out) {
  const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  Append(Opcode::kClose, {bytes, sizeof bytes}, {}, out);
}

std::unique_ptr<FrameParser> Framer::TakeParser() {
  return spare_ != nullptr ? std::move(spare_) : std::make_unique<FrameParser>();
}

}  // namespace homeport::websocket
