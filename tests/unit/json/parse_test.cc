#include "libs/json/parse.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>

#include "libs/base/strings.h"
#include "libs/json/print.h"

namespace homeport::json {
namespace {

// Parses from a block of exactly the text's size, so that a sanitizer sees any read beyond it.
ParseResult ParseExact(std::string_view text, const ParseLimits& limits, Value& out) {
  const auto block = std::make_unique<char[]>(text.size());
  std::memcpy(block.get(), text.data(), text.size());
  return ParseInto({block.get(), text.size()}, limits, out);
}

struct Accepted {
  const char* name;
  std::string text;
  std::string printed;
};

TEST_CASE("texts that are JSON") {
  const Accepted row =
      GENERATE(Accepted{"white space", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", R"({"a":[1,2]})"},
               Accepted{"order of keys", R"({"b":1,"a":2})", R"({"b":1,"a":2})"},
               Accepted{"the last of two equal keys", R"({"a":1,"b":2,"a":3})", R"({"a":3,"b":2})"},
               Accepted{"int64 max", "9223372036854775807", "9223372036854775807"},
               Accepted{"int64 min", "-9223372036854775808", "-9223372036854775808"},
               Accepted{"uint64 max", "18446744073709551615", "18446744073709551615"},
               Accepted{"2^53+1", "9007199254740993", "9007199254740993"},
               Accepted{"beyond uint64", "18446744073709551616", "1.8446744073709552e+19"},
               Accepted{"below int64", "-9223372036854775809", "-9.223372036854776e+18"},
               Accepted{"one as double", "1.0", "1.0"}, Accepted{"exponent", "1e2", "100.0"},
               Accepted{"minus zero", "-0.0", "-0.0"}, Accepted{"tiny", "1e-999", "0.0"},
               Accepted{"zero with an exponent", "0E-256", "0.0"},
               Accepted{"escapes", R"("\u00e9\ud83d\ude00\/")", "\"é😀/\""},
               Accepted{"NUL by escape", R"("\u0000")", R"("\u0000")"},
               Accepted{"empty key", R"({"":1})", R"({"":1})"},
               Accepted{"scalar at the root", "\"x\"", "\"x\""});
  INFO(row.name);
  Value value;
  const ParseResult result = ParseExact(row.text, {}, value);
  CHECK(result.error == ParseError::kNone);
  CHECK(Print(value) == row.printed);
}

struct Refused {
  const char* name;
  std::string text;
  ParseError error;
  size_t offset;
};

TEST_CASE("texts that are refused, with the place") {
  const Refused row =
      GENERATE(Refused{"empty", "", ParseError::kNotJson, 0},
               Refused{"blank", "  ", ParseError::kNotJson, 2},
               Refused{"open object", "{\"a\":1", ParseError::kNotJson, 6},
               Refused{"open text", "\"abc", ParseError::kNotJson, 4},
               Refused{"garbage after the root", "{} x", ParseError::kNotJson, 3},
               Refused{"NUL after the root", std::string("{}\0", 3), ParseError::kNotJson, 2},
               Refused{"NUL within", std::string("[1\0]", 4), ParseError::kNotJson, 2},
               Refused{"comment", "{}//x", ParseError::kNotJson, 2},
               Refused{"trailing comma", "[1,]", ParseError::kNotJson, 3},
               Refused{"NaN", "NaN", ParseError::kNotJson, 0},
               Refused{"number beyond double", "1e999", ParseError::kNotJson, 0},
               Refused{"leading zero", "01", ParseError::kNotJson, 1},
               Refused{"plus", "+1", ParseError::kNotJson, 0},
               Refused{"raw control character", "\"a\nb\"", ParseError::kNotJson, 2},
               Refused{"byte order mark", "\xEF\xBB\xBF{}", ParseError::kNotJson, 0},
               Refused{"not UTF-8 in a text", "\"a\xFF\"", ParseError::kNotUtf8, 2},
               Refused{"not UTF-8 outside", "{}\x80", ParseError::kNotUtf8, 2},
               Refused{"not UTF-8 wins over syntax", "{x\xC0\x80", ParseError::kNotUtf8, 2},
               Refused{"UTF-16", std::string("{\0}\0\xFF", 5), ParseError::kNotUtf8, 4},
               Refused{"surrogate as UTF-8", "\"\xED\xA0\x80\"", ParseError::kNotUtf8, 1});
  INFO(row.name);
  Value value = 7;
  const ParseResult result = ParseExact(row.text, {}, value);
  CHECK(result.error == row.error);
  CHECK(result.offset == row.offset);
  CHECK(value == Value(7));
}

TEST_CASE("lone surrogates by escape are refused") {
  const std::string text = GENERATE(R"("\ud800")", R"("\udc00")", R"("\ud800\u0041")",
                                    R"({"\udfff":1})", R"("a\ud83dx")");
  INFO(text);
  Value value;
  CHECK(ParseExact(text, {}, value).error == ParseError::kNotJson);
}

TEST_CASE("depth counts nested containers") {
  Value value;
  ParseLimits limits;
  limits.depth_max = 2;
  CHECK(ParseExact("[[1]]", limits, value).ok());
  CHECK(ParseExact("[{},[],{}]", limits, value).ok());
  CHECK(ParseExact("[[[]]]", limits, value).error == ParseError::kTooDeep);
  CHECK(ParseExact(R"({"a":{"b":{}}})", limits, value).error == ParseError::kTooDeep);
  limits.depth_max = 0;
  CHECK(ParseExact("1", limits, value).ok());
  CHECK(ParseExact("[]", limits, value).error == ParseError::kTooDeep);
}

TEST_CASE("a million brackets cost no stack, whatever depth is asked for") {
  Value value;
  ParseLimits limits;
  limits.depth_max = 1 << 30;
  const std::string text(1 << 20, GENERATE('[', '{'));
  const ParseResult result = ParseExact(text, limits, value);
  CHECK_FALSE(result.ok());
  CHECK(result.offset <= kParseDepthMax + 1);

  const std::string deepest = std::string(kParseDepthMax, '[') + std::string(kParseDepthMax, ']');
  CHECK(ParseExact(deepest, limits, value).ok());
}

TEST_CASE("bytes and nodes are limited") {
  Value value;
  ParseLimits limits;
  limits.bytes_max = 4;
  CHECK(ParseExact("1234", limits, value).ok());
  CHECK(ParseExact("12345", limits, value).error == ParseError::kTooLarge);
  limits = {};
  limits.nodes_max = 3;
  CHECK(ParseExact("[1,2]", limits, value).ok());
  CHECK(ParseExact("[1,2,3]", limits, value).error == ParseError::kTooMany);
}

TEST_CASE("equal keys in a big object") {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += fmt::format("\"k{}\":{},", i % 50, i);
  text += "\"z\":1}";
  Value value;
  REQUIRE(ParseExact(text, {}, value).ok());
  CHECK(value.IfObject()->size() == 51);
  CHECK(*value.Find("k0") == Value(50));
  CHECK(*value.Find("k49") == Value(99));
  CHECK(value.IfObject()->begin()->key == "k0");
}

TEST_CASE("the status tells kind and place") {
  CHECK(Message(Parse("[1,").status()) == "not JSON at byte 3");
  CHECK(absl::IsInvalidArgument(Parse("\xFF").status()));
  CHECK(absl::IsResourceExhausted(Parse("[[1]]", {.depth_max = 1}).status()));
}

}  // namespace
}  // namespace homeport::json
