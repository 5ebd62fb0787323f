#include "libs/mqtt/wire.h"

#include <catch2/catch.hpp>

#include "libs/mqtt/limits.h"
#include "tests/unit/mqtt/exact_block.h"
#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

TEST_CASE("variable byte integers at their boundaries") {
  struct Row {
    uint32_t value;
    const char* hex;
  };
  const Row rows[] = {
      {0, "00"},
      {127, "7F"},
      {128, "80 01"},
      {16'383, "FF 7F"},
      {16'384, "80 80 01"},
      {2'097'151, "FF FF 7F"},
      {2'097'152, "80 80 80 01"},
      {268'435'455, "FF FF FF 7F"},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    std::string bytes;
    Writer(&bytes).Varint(row.value);
    CHECK(bytes == FromHex(row.hex));
    CHECK(VarintBytes(row.value) == bytes.size());
    const ExactBlock block(bytes);
    Reader reader(block.view());
    uint32_t value = 0;
    CHECK(reader.Varint(&value));
    CHECK(value == row.value);
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("variable byte integers that are cut, too long or not minimal") {
  for (const char* hex : {"", "80", "FF FF FF", "80 00", "80 80 00", "FF 80 80 00",
                          "80 80 80 80 01", "FF FF FF FF 7F"}) {
    INFO(hex);
    const ExactBlock block(FromHex(hex));
    Reader reader(block.view());
    uint32_t value = 0;
    CHECK_FALSE(reader.Varint(&value));
    CHECK(reader.error().reason == ReasonCode::kMalformedPacket);
  }
}

TEST_CASE("integers are big-endian") {
  std::string bytes;
  Writer writer(&bytes);
  writer.U8(0x01);
  writer.U16(0x0203);
  writer.U32(0x04050607);
  CHECK(bytes == FromHex("01 0203 04050607"));
  const ExactBlock block(bytes);
  Reader reader(block.view());
  uint8_t u8 = 0;
  uint16_t u16 = 0;
  uint32_t u32 = 0;
  REQUIRE((reader.U8(&u8) && reader.U16(&u16) && reader.U32(&u32)));
  CHECK(u8 == 0x01);
  CHECK(u16 == 0x0203);
  CHECK(u32 == 0x04050607);
  CHECK_FALSE(reader.U8(&u8));
}

TEST_CASE("integers of too few bytes") {
  for (size_t size = 0; size < 4; ++size) {
    INFO(size << " bytes");
    const ExactBlock block(std::string(size, '\1'));
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    CHECK(Reader(block.view()).U8(&u8) == (size >= 1));
    CHECK(Reader(block.view()).U16(&u16) == (size >= 2));
    CHECK_FALSE(Reader(block.view()).U32(&u32));
  }
}

TEST_CASE("strings of no and of the most bytes") {
  for (size_t size : {size_t{0}, size_t{1}, size_t{kStringBytesMax}}) {
    INFO(size << " bytes");
    const std::string text(size, 'a');
    std::string bytes;
    Writer(&bytes).String(text);
    REQUIRE(bytes.size() == size + 2);
    const ExactBlock block(bytes);
    Reader reader(block.view());
    std::string_view read;
    CHECK(reader.String(&read));
    CHECK(read == text);
    CHECK(reader.AtEnd());
    const ExactBlock cut(bytes.substr(0, bytes.size() - 1));
    Reader cut_reader(cut.view());
    CHECK_FALSE(cut_reader.String(&read));
  }
}

TEST_CASE("binary data may hold what strings may not") {
  const ExactBlock block(FromHex("0003 00FF80"));
  std::string_view read;
  CHECK(Reader(block.view()).Binary(&read));
  CHECK(read == FromHex("00FF80"));
  CHECK_FALSE(Reader(block.view()).String(&read));
}

TEST_CASE("a control character is found wherever it is") {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (const char* bad : {"\x01", "\x1F", "\x7F", "\xC2\x80", "\xC2\x9F"}) {
        std::string text(size, 'a');
        text.replace(at, 1, bad);
        INFO("size " << size << ", at " << at);
        CHECK(HasControlCharacter(ExactBlock(text).view()));
      }
      for (const char* good : {" ", "~", "\xC2\xA0", "\xC3\xA9", "\xE2\x82\xAC"}) {
        std::string text(size, 'a');
        text.replace(at, 1, good);
        CHECK_FALSE(HasControlCharacter(ExactBlock(text).view()));
      }
    }
  }
}

// The validator reads eight bytes at a time: the fault must be seen at every offset.
TEST_CASE("one bad byte is found wherever it is") {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (char bad : {'\0', '\x80', '\xC3', '\xFF'}) {
        std::string text(size, 'a');
        text[at] = bad;
        INFO("size " << size << ", byte " << at << " is " << int(bad));
        CHECK_FALSE(IsValidUtf8(ExactBlock(text).view()));
      }
    }
    CHECK(IsValidUtf8(ExactBlock(std::string(size, '\x01')).view()));
    CHECK(IsValidUtf8(ExactBlock(std::string(size, '\x7F')).view()));
  }
}

std::string EncodeUtf8(uint32_t code) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) {
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
  }
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)),
          byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
}

TEST_CASE("every code point but U+0000 and the surrogates is accepted") {
  for (uint32_t code = 0; code <= 0x10FFFF; ++code) {
    const bool expected = code != 0 && (code < 0xD800 || code > 0xDFFF);
    if (IsValidUtf8(EncodeUtf8(code)) != expected) FAIL("code point " << code);
  }
}

}  // namespace
}  // namespace homeport::mqtt
