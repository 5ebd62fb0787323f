#include "libs/json/parse.h"

// RapidJSON adds offsets to the null pointer of a stack not yet allocated.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "libs/base/strings.h"
#include "libs/json/unique_keys.h"
#include "libs/json/utf8.h"

namespace homeport::json {
namespace {

// Receives RapidJSON's events. Finished values wait on a stack until their container ends, which
// then takes them into storage of exactly the right size. Returning false stops the parser; as the
// depth is checked before the parser recurses, the limit bounds its stack too.
class Handler {
 public:
  using Ch = char;

  Handler(const ParseLimits& limits, bool check_strings)
      : nodes_left_(limits.nodes_max),
        depth_left_(std::min(limits.depth_max, kParseDepthMax)),
        check_strings_(check_strings) {
    values_.reserve(32);
    keys_.reserve(32);
  }

  bool Null() { return Push(Value()); }
  bool Bool(bool value) { return Push(value); }
  bool Int(int) { return false; }  // RunParser has numbers handed over as text
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool);
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return CheckString({text, size}) && Push(std::string(text, size));
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if (!CheckString({text, size})) return false;
    keys_.emplace_back(text, size);
    return true;
  }
  bool StartObject() { return Enter(); }
  bool StartArray() { return Enter(); }
  bool EndObject(rapidjson::SizeType size);
  bool EndArray(rapidjson::SizeType size);

  // kNone: the parser itself stopped.
  [[nodiscard]] ParseError error() const { return error_; }
  // REQUIRES: the parser succeeded.
  [[nodiscard]] Value TakeRoot() { return std::move(values_.back()); }

 private:
  template <typename T>
  bool Push(T&& value) {
    if (nodes_left_ == 0) return Fail(ParseError::kTooMany);
    --nodes_left_;
    values_.emplace_back(std::forward<T>(value));
    return true;
  }
  bool Enter() {
    if (depth_left_ <= 0) return Fail(ParseError::kTooDeep);
    --depth_left_;
    return true;
  }
  // The text is UTF-8 as a whole, but \u escapes may spell a lone low surrogate.
  bool CheckString(std::string_view text) {
    return !check_strings_ || IsUtf8(text) || Fail(ParseError::kNotJson);
  }
  bool Fail(ParseError error) {
    error_ = error;
    return false;
  }

  std::vector<Value> values_;
  std::vector<std::string> keys_;
  size_t nodes_left_;
  int depth_left_;
  bool check_strings_;
  ParseError error_ = ParseError::kNone;
};

// RapidJSON has checked the form. Its own conversion shifts by an undefined amount on a zero with
// an exponent ("0E-256"), so the standard library's is used.
bool Handler::RawNumber(const char* text, rapidjson::SizeType size, bool) {
  const char* const end = text + size;
  const std::string_view digits(text, size);
  if (digits.find_first_of(".eE") == std::string_view::npos) {
    int64_t whole = 0;
    if (std::from_chars(text, end, whole).ec == std::errc()) return Push(whole);
    uint64_t big = 0;
    if (std::from_chars(text, end, big).ec == std::errc()) return Push(big);
  }
  double number = 0;
  if (std::from_chars(text, end, number).ec == std::errc()) return Push(number);
  // Beyond double: towards zero it becomes zero, towards infinity it is refused.
  number = std::strtod(std::string(digits).c_str(), nullptr);
  return std::isfinite(number) ? Push(number) : Fail(ParseError::kNotJson);
}

bool Handler::EndObject(rapidjson::SizeType size) {
  ++depth_left_;
  Object object;
  std::vector<Member>& members = object.members();
  members.reserve(size);
  const size_t first_value = values_.size() - size;
  const size_t first_key = keys_.size() - size;
  for (size_t i = 0; i < size; ++i) {
    members.push_back({std::move(keys_[first_key + i]), std::move(values_[first_value + i])});
  }
  values_.resize(first_value);
  keys_.resize(first_key);
  KeepLastOfEachKey(members);
  return Push(std::move(object));
}

bool Handler::EndArray(rapidjson::SizeType size) {
  ++depth_left_;
  const auto first = values_.end() - static_cast<ptrdiff_t>(size);
  Array array(std::make_move_iterator(first), std::make_move_iterator(values_.end()));
  values_.erase(first, values_.end());
  return Push(std::move(array));
}

ParseResult RunParser(std::string_view text, Handler& handler) {
  constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, handler);
  if (result.IsError()) {
    const bool ours = handler.error() != ParseError::kNone;
    return {ours ? handler.error() : ParseError::kNotJson, result.Offset()};
  }
  // RapidJSON takes a NUL byte after the root for the end of the text.
  if (stream.Tell() != text.size()) return {ParseError::kNotJson, stream.Tell()};
  return {};
}

}  // namespace

ParseResult ParseInto(std::string_view text, const ParseLimits& limits, Value& out) {
  if (text.size() > limits.bytes_max) return {ParseError::kTooLarge, limits.bytes_max};
  const size_t utf8 = Utf8Prefix(text);
  if (utf8 != text.size()) return {ParseError::kNotUtf8, utf8};
  const bool has_escapes = text.find("\\u") != std::string_view::npos;
  Handler handler(limits, has_escapes);
  const ParseResult result = RunParser(text, handler);
  if (result.ok()) out = handler.TakeRoot();
  return result;
}

absl::StatusOr<Value> Parse(std::string_view text, const ParseLimits& limits) {
  Value value;
  const ParseResult result = ParseInto(text, limits, value);
  if (result.ok()) return value;
  const std::string message = fmt::format("{} at byte {}", ToText(result.error), result.offset);
  if (result.error == ParseError::kNotJson || result.error == ParseError::kNotUtf8) {
    return absl::InvalidArgumentError(message);
  }
  return absl::ResourceExhaustedError(message);
}

std::string_view ToText(ParseError error) {
  switch (error) {
    case ParseError::kNone:
      return "no error";
    case ParseError::kNotJson:
      return "not JSON";
    case ParseError::kNotUtf8:
      return "not UTF-8";
    case ParseError::kTooDeep:
      return "JSON nested too deep";
    case ParseError::kTooLarge:
      return "JSON text too large";
    case ParseError::kTooMany:
      return "JSON with too many values";
  }
  return "unknown error";
}

}  // namespace homeport::json
