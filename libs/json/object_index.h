#pragma once

#include <cstddef>
#include <string_view>
#include <unordered_map>

#include "libs/json/value.h"

namespace homeport::json {

// Finds members of one object many times over: by position when both sides list their keys in the
// same order, by scanning a small object, by hash in a big one. Keeps work linear in the size of
// the documents whatever a peer sends.
//
// Borrows the object: REQUIRES that it outlives the index and that its keys stay as they are;
// values may change.
class ObjectIndex {
 public:
  static constexpr size_t kNotFound = static_cast<size_t>(-1);

  explicit ObjectIndex(const Object& object) : object_(object) {}
  ObjectIndex(const ObjectIndex&) = delete;
  ObjectIndex& operator=(const ObjectIndex&) = delete;

  // The member's position, or kNotFound. Amortised constant time.
  [[nodiscard]] size_t Find(std::string_view key);

 private:
  // Up to this many members a scan is as fast as a hash.
  static constexpr size_t kScanMax = 16;
  // A few lookups do not pay for hashing every key.
  static constexpr int kScansBeforeHash = 8;

  [[nodiscard]] size_t Scan(std::string_view key) const;
  [[nodiscard]] size_t Lookup(std::string_view key);

  const Object& object_;
  size_t next_ = 0;  // where the next key is if the orders agree
  int scans_ = 0;
  std::unordered_map<std::string_view, size_t> positions_;
};

}  // namespace homeport::json
