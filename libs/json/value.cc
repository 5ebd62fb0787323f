#include "libs/json/value.h"

#include <cmath>

#include "libs/json/object_index.h"

namespace homeport::json {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

bool EqualIntDouble(int64_t i, double d) {
  return d >= -kTwoTo63 && d < kTwoTo63 && std::trunc(d) == d && static_cast<int64_t>(d) == i;
}

bool EqualUintDouble(uint64_t u, double d) {
  return d >= 0 && d < kTwoTo64 && std::trunc(d) == d && static_cast<uint64_t>(d) == u;
}

// Of two numbers of different types. int64 and uint64 never hold the same number.
bool EqualMixed(const Value& a, const Value& b) {
  const double* d = a.IfDouble();
  const Value& other = d != nullptr ? b : a;
  if (d == nullptr) d = b.IfDouble();
  if (d == nullptr) return false;
  if (const int64_t* i = other.IfInt64()) return EqualIntDouble(*i, *d);
  return EqualUintDouble(*other.IfUint64(), *d);
}

}  // namespace

std::optional<int64_t> Value::ToInt64() const {
  if (const int64_t* i = IfInt64()) return *i;
  const double* d = IfDouble();
  if (d == nullptr || !(*d >= -kTwoTo63 && *d < kTwoTo63) || std::trunc(*d) != *d) return {};
  return static_cast<int64_t>(*d);
}

std::optional<double> Value::ToDouble() const {
  if (const double* d = IfDouble()) return *d;
  if (const int64_t* i = IfInt64()) return static_cast<double>(*i);
  if (const uint64_t* u = IfUint64()) return static_cast<double>(*u);
  return {};
}

const Value* Value::Find(std::string_view key) const {
  const Object* object = IfObject();
  return object != nullptr ? object->Find(key) : nullptr;
}

bool operator==(const Value& a, const Value& b) {
  if (a.type() == b.type()) return a.data_ == b.data_;
  return a.is_number() && b.is_number() && EqualMixed(a, b);
}

bool operator==(const Object& a, const Object& b) {
  if (a.size() != b.size()) return false;
  ObjectIndex index(b);
  for (const Member& member : a) {
    const size_t position = index.Find(member.key);
    if (position == ObjectIndex::kNotFound) return false;
    if (!(b.members()[position].value == member.value)) return false;
  }
  return true;
}

}  // namespace homeport::json
