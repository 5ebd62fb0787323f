#include "libs/mqtt/wire.h"

#include <cstring>

#include "libs/base/check.h"
#include "libs/mqtt/limits.h"

namespace homeport::mqtt {
namespace {

constexpr uint64_t kEachByte = 0x0101'0101'0101'0101;
constexpr uint64_t kHighBits = 0x80 * kEachByte;

// Whether eight bytes are all in 1..127: a high bit marks itself, and a zero byte borrows one.
bool AllPlainAscii(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return ((word | (word - kEachByte)) & kHighBits) == 0;
}

// Whether eight bytes are all in 0x20..0x7E.
bool AllPrintableAscii(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return ((word | (word - 0x20 * kEachByte) | (word + kEachByte)) & kHighBits) == 0;
}

bool InRange(unsigned value, unsigned low, unsigned high) { return value - low <= high - low; }

// Length of the well-formed character of two to four bytes at `at` (Unicode table 3-7), 0 if none.
size_t MultiByteLength(const unsigned char* at, size_t available) {
  const unsigned lead = at[0];
  const size_t length = InRange(lead, 0xC2, 0xDF)   ? 2
                        : InRange(lead, 0xE0, 0xEF) ? 3
                        : InRange(lead, 0xF0, 0xF4) ? 4
                                                    : 0;
  if (length == 0 || length > available) return 0;
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!InRange(at[1], low, high)) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!InRange(at[i], 0x80, 0xBF)) return 0;
  }
  return length;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const auto available = static_cast<size_t>(end - at);
    if (available >= 8 && AllPlainAscii(at)) {
      at += 8;
      continue;
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(at);
    if (InRange(*bytes, 0x01, 0x7F)) {
      ++at;
      continue;
    }
    const size_t length = MultiByteLength(bytes, available);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool HasControlCharacter(std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= 8 && AllPrintableAscii(text.data())) {
      text.remove_prefix(8);
      continue;
    }
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte < 0x20 || byte == 0x7F) return true;
    if (byte == 0xC2 && text.size() > 1 && static_cast<unsigned char>(text[1]) < 0xA0) return true;
    text.remove_prefix(1);
  }
  return false;
}

bool Reader::U32(uint32_t* out) {
  uint16_t high = 0;
  uint16_t low = 0;
  if (!U16(&high) || !U16(&low)) return false;
  *out = uint32_t{high} << 16 | low;
  return true;
}

bool Reader::Varint(uint32_t* out) {
  uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    uint8_t byte = 0;
    if (!U8(&byte)) return false;
    value |= uint32_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && shift != 0) return Fail("variable byte integer not minimal");
    *out = value;
    return true;
  }
  return Fail("variable byte integer too long");
}

bool Reader::Binary(std::string_view* out) {
  uint16_t size = 0;
  return U16(&size) && Bytes(size, out);
}

bool Reader::String(std::string_view* out) {
  if (!Binary(out)) return false;
  return IsValidUtf8(*out) || Fail("string is not UTF-8 or holds U+0000");
}

bool Reader::Name(std::string_view* out) {
  if (!String(out)) return false;
  return !HasControlCharacter(*out) || Fail("control character in a name");
}

void Writer::U16(uint16_t value) {
  char bytes[2];
  PutU16(value, bytes);
  out_->append(bytes, sizeof bytes);
}

void Writer::U32(uint32_t value) {
  U16(static_cast<uint16_t>(value >> 16));
  U16(static_cast<uint16_t>(value & 0xFFFF));
}

void Writer::Varint(uint32_t value) {
  char bytes[4];
  const char* const end = PutVarint(value, bytes);
  out_->append(bytes, static_cast<size_t>(end - bytes));
}

void Writer::Binary(std::string_view bytes) {
  HP_CHECK(bytes.size() <= kStringBytesMax);
  U16(static_cast<uint16_t>(bytes.size()));
  Bytes(bytes);
}

char* PutVarint(uint32_t value, char* out) {
  HP_CHECK(value <= kRemainingLengthMax);
  while (value >= 0x80) {
    *out++ = static_cast<char>((value & 0x7F) | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

}  // namespace homeport::mqtt
