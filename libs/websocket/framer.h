#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct wslay_frame_context;

namespace homeport::websocket {

enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

// Why a connection ends (RFC 6455, 7.4.1).
inline constexpr uint16_t kCloseNormal = 1000;
inline constexpr uint16_t kCloseGoingAway = 1001;
inline constexpr uint16_t kCloseProtocolError = 1002;
inline constexpr uint16_t kCloseUnsupportedData = 1003;
inline constexpr uint16_t kCloseInvalidPayload = 1007;
inline constexpr uint16_t kCloseTooBig = 1009;

// The library's frame parser, fed from a piece of memory. Not thread-safe.
class FrameParser {
 public:
  FrameParser();
  FrameParser(const FrameParser&) = delete;
  FrameParser& operator=(const FrameParser&) = delete;
  ~FrameParser();

  // A piece of one frame.
  struct Piece {
    enum class Kind : uint8_t { kPiece, kNeedMore, kError };
    Kind kind = Kind::kNeedMore;
    Opcode opcode = Opcode::kContinuation;
    bool fin = false;
    bool masked = false;
    bool reserved_bits = false;
    uint64_t frame_bytes = 0;     // the payload of the whole frame
    std::string_view bytes = {};  // unmasked; valid until the next call
  };
  // Bytes for the Next calls to come. REQUIRES: Next has asked for more.
  void Feed(std::string_view bytes) { input_ = bytes; }
  [[nodiscard]] Piece Next();

 private:
  static ssize_t Receive(uint8_t* out, size_t size, int flags, void* self);

  wslay_frame_context* context_ = nullptr;
  std::string_view input_;
};

// What the WebSocket connections of a thread share: the writer of frames, and a parser for whoever
// is between two frames. Not thread-safe.
class Framer {
 public:
  Framer();
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;
  ~Framer();

  // Appends one unmasked frame whose payload is `head` followed by `body`.
  void Append(Opcode opcode, std::string_view head, std::string_view body, std::string* out);
  // Appends a close frame.
  void AppendClose(uint16_t code, std::string* out);

  [[nodiscard]] std::unique_ptr<FrameParser> TakeParser();
  // REQUIRES: the parser is between two frames.
  void GiveBack(std::unique_ptr<FrameParser> parser) { spare_ = std::move(parser); }

 private:
  static ssize_t Send(const uint8_t* data, size_t size, int flags, void* self);

  wslay_frame_context* writer_ = nullptr;
  std::string* out_ = nullptr;  // of the Append under way
  std::unique_ptr<FrameParser> spare_;
};

}  // namespace homeport::websocket
