#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/mqtt/types.h"

// The data types of MQTT 5 section 1.5 and 3.1.1 section 1.5: big-endian integers, variable byte
// integers, UTF-8 strings and binary data.
namespace homeport::mqtt {

// Whether `text` is a string MQTT may carry [MQTT-1.5.4-1, -2]: well-formed UTF-8 without
// surrogates and without U+0000.
[[nodiscard]] bool IsValidUtf8(std::string_view text);
// Whether valid UTF-8 holds U+0001 to U+001F or U+007F to U+009F, which a receiver may refuse
// (section 1.5.4).
[[nodiscard]] bool HasControlCharacter(std::string_view text);

// 1-4. REQUIRES: value <= kRemainingLengthMax.
[[nodiscard]] constexpr size_t VarintBytes(uint32_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

// Takes values off the front of borrowed bytes. After the first failure error() tells what was
// wrong, as a malformed packet, and every further read is undefined in value but safe.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool AtEnd() const { return at_ == end_; }
  [[nodiscard]] size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  // Everything not yet read.
  [[nodiscard]] std::string_view Rest() const { return {at_, remaining()}; }
  [[nodiscard]] DecodeError error() const { return {ReasonCode::kMalformedPacket, what_}; }

  [[nodiscard]] bool U8(uint8_t* out);
  [[nodiscard]] bool U16(uint16_t* out);
  [[nodiscard]] bool U32(uint32_t* out);
  // At most four bytes, and no more than the value needs [MQTT-1.5.5-1].
  [[nodiscard]] bool Varint(uint32_t* out);
  [[nodiscard]] bool Bytes(size_t count, std::string_view* out);
  [[nodiscard]] bool Binary(std::string_view* out);
  [[nodiscard]] bool String(std::string_view* out);
  // A string that names something: a topic, a filter, a client, a user. Control characters, which
  // nobody sees in a log or a policy, are refused.
  [[nodiscard]] bool Name(std::string_view* out);

 private:
  bool Fail(const char* what) {
    what_ = what;
    return false;
  }

  const char* at_;
  const char* end_;
  const char* what_ = "packet ends early";
};

// Appends values to a borrowed string. REQUIRES: strings and binary data are at most 65,535 bytes,
// variable byte integers at most 268,435,455.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void U8(uint8_t value) { out_->push_back(static_cast<char>(value)); }
  void U16(uint16_t value);
  void U32(uint32_t value);
  void Varint(uint32_t value);
  void Bytes(std::string_view bytes) { out_->append(bytes); }
  void Binary(std::string_view bytes);
  void String(std::string_view text) { Binary(text); }

 private:
  std::string* out_;
};

// Writes `value` at `out`, which has room for VarintBytes(value); returns the byte after it.
char* PutVarint(uint32_t value, char* out);
// The same for two big-endian bytes.
inline char* PutU16(uint16_t value, char* out) {
  out[0] = static_cast<char>(value >> 8);
  out[1] = static_cast<char>(value & 0xFF);
  return out + 2;
}

inline bool Reader::U8(uint8_t* out) {
  if (at_ == end_) return Fail("packet ends early");
  *out = static_cast<uint8_t>(*at_++);
  return true;
}

inline bool Reader::U16(uint16_t* out) {
  if (remaining() < 2) return Fail("packet ends early");
  *out = static_cast<uint16_t>(static_cast<uint8_t>(at_[0]) << 8 | static_cast<uint8_t>(at_[1]));
  at_ += 2;
  return true;
}

inline bool Reader::Bytes(size_t count, std::string_view* out) {
  if (remaining() < count) return Fail("packet ends early");
  *out = {at_, count};
  at_ += count;
  return true;
}

}  // namespace homeport::mqtt
