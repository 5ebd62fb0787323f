#include "libs/json/cbor.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "libs/json/parse.h"
#include "libs/json/print.h"

namespace homeport::json {
namespace {

using std::string_literals::operator""s;

constexpr ParseLimits kLimits{.depth_max = 4, .bytes_max = 1024, .nodes_max = 64};

// The value as JSON, or "refused". Reads from an exactly sized block.
std::string Read(const std::string& bytes) {
  const auto block = std::make_unique<char[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block.get());
  Value value;
  return ReadCbor({block.get(), bytes.size()}, kLimits, value) ? Print(value) : "refused";
}

TEST_CASE("CBOR items that JSON can hold") {
  struct Row {
    const char* name;
    std::string bytes;
    const char* json;
  };
  const Row rows[] = {
      {"0", "\x00"s, "0"},
      {"23", "\x17"s, "23"},
      {"one byte", "\x18\xff"s, "255"},
      {"two bytes", "\x19\x01\x00"s, "256"},
      {"eight bytes", "\x1b\xff\xff\xff\xff\xff\xff\xff\xff"s, "18446744073709551615"},
      {"-1", "\x20"s, "-1"},
      {"the least integer", "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"s, "-9223372036854775808"},
      {"text", "\x62\xc3\xbc"s, "\"\xc3\xbc\""},
      {"text in chunks",
       "\x7f\x61"
       "a\x62"
       "bc\xff"s,
       "\"abc\""},
      {"array", "\x82\x01\x02"s, "[1,2]"},
      {"array without a length", "\x9f\x01\xff"s, "[1]"},
      {"map",
       "\xa1\x61"
       "a\x01"s,
       R"({"a":1})"},
      {"map without a length",
       "\xbf\x61"
       "a\x01\xff"s,
       R"({"a":1})"},
      {"a key twice",
       "\xa2\x61"
       "a\x01\x61"
       "a\x02"s,
       R"({"a":2})"},
      {"false, true, null", "\x83\xf4\xf5\xf6"s, "[false,true,null]"},
      {"half 1.5", "\xf9\x3e\x00"s, "1.5"},
      {"half, the least above 0", "\xf9\x00\x01"s, "5.960464477539063e-8"},
      {"single -4.1", "\xfa\xc0\x83\x33\x33"s, "-4.099999904632568"},
      {"double 1.1", "\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"s, "1.1"},
      {"a tag is skipped", "\xc1\x00"s, "0"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Value wanted;
    REQUIRE(ParseInto(row.json, {}, wanted).ok());
    Value value;
    REQUIRE(ReadCbor(row.bytes, kLimits, value));
    CHECK(value == wanted);
    for (size_t cut = 0; cut < row.bytes.size(); ++cut) {
      CHECK(Read(row.bytes.substr(0, cut)) == "refused");
    }
  }
}

TEST_CASE("CBOR that is refused") {
  struct Row {
    const char* name;
    std::string bytes;
  };
  const Row rows[] = {
      {"bytes after the item", "\x00\x00"s},
      {"a byte string",
       "\x41"
       "a"s},
      {"not UTF-8", "\x61\xff"s},
      {"not UTF-8 once its chunks are joined", "\x7f\x61\xc3\x61\x28\xff"s},
      {"a chunk that is no text", "\x7f\x01\xff"s},
      {"a key that is no text", "\xa1\x01\x01"s},
      {"below int64", "\x3b\x80\x00\x00\x00\x00\x00\x00\x00"s},
      {"undefined", "\xf7"s},
      {"infinite", "\xf9\x7c\x00"s},
      {"not a number", "\xfa\x7f\xc0\x00\x00"s},
      {"a reserved length", "\x1c"s},
      {"an integer without a length", "\x1f"s},
      {"a lone break", "\xff"s},
      {"a length the bytes do not back", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"s},
      {"a text longer than the bytes",
       "\x7b\xff\xff\xff\xff\xff\xff\xff\xff"
       "a"s},
      {"too deep", "\x81\x81\x81\x81\x81\x00"s},
      {"too many values", "\x98\x40"s + std::string(64, '\x00')},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Read(row.bytes) == "refused");
  }
}

TEST_CASE("what is written reads back, in the shortest form") {
  for (const char* text : {"null",
                           "true",
                           "false",
                           "0",
                           "23",
                           "24",
                           "255",
                           "256",
                           "65535",
                           "65536",
                           "4294967295",
                           "4294967296",
                           "18446744073709551615",
                           "-1",
                           "-24",
                           "-25",
                           "-9223372036854775808",
                           "1.5",
                           "\"\"",
                           "\"text\"",
                           "[]",
                           "[1,[2]]",
                           "{}",
                           R"({"a":{"b":[null,"c"]}})"}) {
    INFO(text);
    Value value, again;
    REQUIRE(ParseInto(text, {}, value).ok());
    std::string bytes;
    WriteCbor(value, bytes);
    REQUIRE(ReadCbor(bytes, {}, again));
    CHECK(Print(again) == text);
  }
  std::string bytes;
  WriteCbor(Value(int64_t{500}), bytes);
  CHECK(bytes == std::string("\x19\x01\xf4", 3));
}

}  // namespace
}  // namespace homeport::json
