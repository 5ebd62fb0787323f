#include "libs/websocket/frame_reader.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace homeport::websocket {
namespace {

constexpr uint64_t kFrameBytesMax = 100'000;
constexpr char kMask[] = {0x11, 0x22, 0x33, 0x44};

struct FrameOptions {
  bool fin = true;
  bool masked = true;
  int reserved = 0;
};

std::string Frame(Opcode opcode, const std::string& payload, FrameOptions options = {}) {
  std::string out;
  out.push_back(static_cast<char>((options.fin ? 0x80 : 0) | options.reserved << 4 |
                                  static_cast<int>(opcode)));
  const int mask_bit = options.masked ? 0x80 : 0;
  const size_t size = payload.size();
  if (size <= 125) {
    out.push_back(static_cast<char>(mask_bit | static_cast<int>(size)));
  } else if (size <= 0xffff) {
    out.push_back(static_cast<char>(mask_bit | 126));
    for (int shift = 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  } else {
    out.push_back(static_cast<char>(mask_bit | 127));
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  }
  if (!options.masked) return out + payload;
  out.append(kMask, sizeof kMask);
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  return out;
}

std::string Unmasked(Opcode opcode, const std::string& payload) {
  return Frame(opcode, payload, {.masked = false});
}

std::string CloseFrame(uint16_t code) {
  return Unmasked(Opcode::kClose, {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)});
}

struct Peer {
  Framer framer;
  FrameReader reader;
  std::string payload;
  std::string replies;
  bool ended = false;
  std::string why;

  // Reads `bytes` in pieces of `step`, each in a block of its own size.
  void Read(const std::string& bytes, size_t step) {
    for (size_t at = 0; at < bytes.size() && !ended; at += step) {
      const std::string piece = bytes.substr(at, step);
      const std::unique_ptr<char[]> in(new char[piece.size()]);
      const std::unique_ptr<char[]> out(new char[piece.size()]);
      piece.copy(in.get(), piece.size());
      const FrameReader::Result result =
          reader.Read({in.get(), piece.size()}, kFrameBytesMax, framer, out.get(), &replies);
      payload.append(out.get(), result.payload_bytes);
      ended = result.ended;
      why = std::string(result.why);
    }
  }
};

TEST_CASE("Payload is one stream however it is cut into frames and segments") {
  const std::string large(70'000, 'L');
  const std::string middle(300, 'M');
  const std::string bytes = Frame(Opcode::kBinary, "two packets in one frame ") +
                            Frame(Opcode::kBinary, "a packet ", {.fin = false}) +
                            Frame(Opcode::kPing, "amid") +
                            Frame(Opcode::kContinuation, "over ", {.fin = false}) +
                            Frame(Opcode::kContinuation, "three ") + Frame(Opcode::kBinary, "") +
                            Frame(Opcode::kBinary, middle) + Frame(Opcode::kPong, "unasked") +
                            Frame(Opcode::kBinary, large) + Frame(Opcode::kPing, "");
  const size_t step = GENERATE(1, 2, 3, 5, 7, 64, 4096, 4097, 1'000'000);
  CAPTURE(step);
  Peer peer;
  peer.Read(bytes, step);
  CHECK(!peer.ended);
  CHECK(peer.payload == "two packets in one frame a packet over three " + middle + large);
  CHECK(peer.replies == Unmasked(Opcode::kPong, "amid") + Unmasked(Opcode::kPong, ""));
}

TEST_CASE("What a peer may not send ends the connection with the code that says so") {
  struct Row {
    const char* name;
    std::string bytes;
    uint16_t code;
  };
  const Row rows[] = {
      {"text", Frame(Opcode::kText, "hello"), 1003},
      {"empty text", Frame(Opcode::kText, ""), 1003},
      {"unmasked", Unmasked(Opcode::kBinary, "hello"), 1002},
      {"unmasked ping", Unmasked(Opcode::kPing, "hello"), 1002},
      {"reserved bit", Frame(Opcode::kBinary, "hello", {.reserved = 4}), 1002},
      {"unknown opcode", Frame(static_cast<Opcode>(3), "hello"), 1002},
      {"unknown control opcode", Frame(static_cast<Opcode>(11), "hello"), 1002},
      {"continuation of nothing", Frame(Opcode::kContinuation, "x"), 1002},
      {"message inside a message",
       Frame(Opcode::kBinary, "x", {.fin = false}) + Frame(Opcode::kBinary, "y"), 1002},
      {"fragmented ping", Frame(Opcode::kPing, "x", {.fin = false}), 1002},
      {"long ping", Frame(Opcode::kPing, std::string(126, 'x')), 1002},
      {"frame too large", Frame(Opcode::kBinary, std::string(kFrameBytesMax + 1, 'x')), 1009},
      {"length not the shortest", std::string("\x82\xfe\x00\x01\x11\x22\x33\x44\x70", 9), 1002},
      {"length of 63 bits and more",
       std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x11\x22\x33\x44\x70", 15), 1002},
  };
  const size_t step = GENERATE(1, 1'000'000);
  for (const Row& row : rows) {
    CAPTURE(row.name, step);
    Peer peer;
    peer.Read(row.bytes, step);
    CHECK(peer.ended);
    CHECK(!peer.why.empty());
    CHECK(peer.replies == CloseFrame(row.code));
  }
}

TEST_CASE("A close is answered with its own code, where that is one") {
  struct Row {
    const char* name;
    std::string payload;
    uint16_t reply;
  };
  const Row rows[] = {
      {"normal", std::string("\x03\xe8", 2) + "bye", 1000},
      {"going away", std::string("\x03\xe9", 2), 1001},
      {"private code", std::string("\x0f\xa0", 2), 4000},
      {"none", "", 1000},
      {"reason that is not UTF-8", "\x03\xe8\xff", 1007},
      {"half a code", "\x03", 1002},
      {"never sent", std::string("\x03\xed", 2), 1002},
      {"out of range", std::string("\xff\xff", 2), 1002},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Peer peer;
    peer.Read(Frame(Opcode::kBinary, "last") + Frame(Opcode::kClose, row.payload) + "ignored",
              4096);
    CHECK(peer.ended);
    CHECK(peer.why.empty());
    CHECK(peer.payload == "last");
    CHECK(peer.replies == CloseFrame(row.reply));
  }
}

TEST_CASE("Connections share a parser between frames and have their own within one") {
  Framer framer;
  FrameReader first;
  FrameReader second;
  char out[64];
  std::string replies;
  const std::string frame = Frame(Opcode::kBinary, "hello");
  const auto read = [&](FrameReader& reader, std::string_view bytes) {
    return std::string(out, reader.Read(bytes, 100, framer, out, &replies).payload_bytes);
  };
  CHECK(read(first, frame) == "hello");
  std::unique_ptr<FrameParser> spare = framer.TakeParser();
  const FrameParser* shared = spare.get();
  framer.GiveBack(std::move(spare));
  CHECK(read(second, frame) == "hello");
  spare = framer.TakeParser();
  CHECK(spare.get() == shared);
  framer.GiveBack(std::move(spare));
  CHECK(read(first, std::string_view(frame).substr(0, 7)) == "h");
  CHECK(read(second, frame) == "hello");
  CHECK(read(first, std::string_view(frame).substr(7)) == "ello");
}

TEST_CASE("Frames are written with the shortest header, two pieces as one payload") {
  struct Row {
    size_t size;
    std::string header;
  };
  const Row rows[] = {
      {0, std::string("\x82\x00", 2)},
      {2, "\x82\x02"},
      {125, "\x82\x7d"},
      {126, std::string("\x82\x7e\x00\x7e", 4)},
      {65'535, "\x82\x7e\xff\xff"},
      {65'536, std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10)},
  };
  Framer framer;
  for (const Row& row : rows) {
    CAPTURE(row.size);
    const std::string payload(row.size, 'p');
    const size_t cut = row.size / 2;
    std::string out = "before";
    framer.Append(Opcode::kBinary, std::string_view(payload).substr(0, cut),
                  std::string_view(payload).substr(cut), &out);
    CHECK(out == "before" + row.header + payload);
  }
}

}  // namespace
}  // namespace homeport::websocket
