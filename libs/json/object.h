#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Part of libs/json/value.h, which completes Value and Member: include that one.

namespace homeport::json {

class Value;
struct Member;
using Array = std::vector<Value>;

// Key-value pairs in insertion order, each key once. Lookup scans: right for the few dozen keys of
// a device's document. For many lookups in a big object use ObjectIndex (json/object_index.h).
class Object {
 public:
  Object();
  Object(const Object&);
  Object(Object&&) noexcept;
  Object& operator=(const Object&);
  Object& operator=(Object&&) noexcept;
  ~Object();

  [[nodiscard]] size_t size() const;
  [[nodiscard]] bool empty() const;
  void reserve(size_t members);
  void clear();

  // Null when there is no such key. The pointer lives until the object changes.
  [[nodiscard]] const Value* Find(std::string_view key) const;
  [[nodiscard]] Value* Find(std::string_view key);
  // As above, when the member at position `hint` is likely the one.
  [[nodiscard]] const Value* FindNear(std::string_view key, size_t hint) const;
  [[nodiscard]] bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // Typed lookups: null or nullopt when the key is missing or of another type. FindInt64 accepts
  // a double that holds a whole number.
  [[nodiscard]] const std::string* FindString(std::string_view key) const;
  [[nodiscard]] const Object* FindObject(std::string_view key) const;
  [[nodiscard]] const Array* FindArray(std::string_view key) const;
  [[nodiscard]] std::optional<int64_t> FindInt64(std::string_view key) const;

  // Replaces the value in its place, or appends the pair.
  Value& Set(std::string_view key, Value value);
  // Appends without looking. REQUIRES: the key is absent.
  Value& Append(std::string key, Value value);
  // Whether the key was there. The order of the others is kept.
  bool Erase(std::string_view key);

  // Direct access. REQUIRES of writers: keys stay unique.
  [[nodiscard]] std::vector<Member>& members() { return members_; }
  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  [[nodiscard]] auto begin() { return members_.begin(); }
  [[nodiscard]] auto end() { return members_.end(); }
  [[nodiscard]] auto begin() const { return members_.begin(); }
  [[nodiscard]] auto end() const { return members_.end(); }

 private:
  std::vector<Member> members_;
};

}  // namespace homeport::json
