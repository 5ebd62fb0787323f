#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "libs/json/object.h"

namespace homeport::json {

enum class Type : uint8_t { kNull, kBool, kInt64, kUint64, kDouble, kString, kArray, kObject };

// A JSON value that owns all it holds. Integers of 64 bits are exact and stay apart from doubles;
// objects keep the order of their keys. Strings are UTF-8 (the parser guarantees it; who builds
// values by hand must). Not synchronised: one thread at a time, or constant.
//
// Copying, comparing, printing and destroying recurse once per level. Parsed values are never
// deeper than kParseDepthMax (json/parse.h); values built by hand should stay below it.
class Value {
 public:
  // Implicit on purpose: `object.Set("on", true)`.
  Value() = default;
  Value(std::nullptr_t) {}
  template <std::same_as<bool> T>
  Value(T value) : data_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T value) {
    // Only what does not fit int64 is kept as uint64, so every integer has one representation.
    if (std::is_signed_v<T> || static_cast<uint64_t>(value) <= uint64_t{INT64_MAX}) {
      data_ = static_cast<int64_t>(value);
    } else {
      data_ = static_cast<uint64_t>(value);
    }
  }
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  [[nodiscard]] Type type() const { return static_cast<Type>(data_.index()); }
  [[nodiscard]] bool is_null() const { return type() == Type::kNull; }
  [[nodiscard]] bool is_bool() const { return type() == Type::kBool; }
  [[nodiscard]] bool is_string() const { return type() == Type::kString; }
  [[nodiscard]] bool is_array() const { return type() == Type::kArray; }
  [[nodiscard]] bool is_object() const { return type() == Type::kObject; }
  [[nodiscard]] bool is_number() const {
    return type() == Type::kInt64 || type() == Type::kUint64 || type() == Type::kDouble;
  }

  // Null when the value is of another type. Pointers live until the value changes.
  [[nodiscard]] const bool* IfBool() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const int64_t* IfInt64() const { return std::get_if<int64_t>(&data_); }
  [[nodiscard]] const uint64_t* IfUint64() const { return std::get_if<uint64_t>(&data_); }
  [[nodiscard]] const double* IfDouble() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string* IfString() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* IfArray() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] Array* IfArray() { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* IfObject() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] Object* IfObject() { return std::get_if<Object>(&data_); }

  // The number as an int64: integers that fit, and doubles that hold a whole number that fits.
  [[nodiscard]] std::optional<int64_t> ToInt64() const;
  // Any number, rounded to the nearest double.
  [[nodiscard]] std::optional<double> ToDouble() const;
  // The member of an object; null when there is none or the value is no object.
  [[nodiscard]] const Value* Find(std::string_view key) const;

  // Numbers are equal by exact mathematical value (1 == 1.0; 2^53+1 != 2^53 as a double); objects
  // are equal in any order of keys.
  friend bool operator==(const Value& a, const Value& b);

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> data_;
};

struct Member {
  std::string key;
  Value value;
};

bool operator==(const Object& a, const Object& b);

// Object is defined before its members' type is complete, so these wait for it.
inline Object::Object() = default;
inline Object::Object(const Object&) = default;
inline Object::Object(Object&&) noexcept = default;
inline Object& Object::operator=(const Object&) = default;
inline Object& Object::operator=(Object&&) noexcept = default;
inline Object::~Object() = default;
inline size_t Object::size() const { return members_.size(); }
inline bool Object::empty() const { return members_.empty(); }

}  // namespace homeport::json
