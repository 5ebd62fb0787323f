#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::postgres {

// A one-dimensional array parameter in PostgreSQL's binary format, built element by element: what
// UNNEST statements take. Sent as it is, so the server parses no text. REQUIRES: below 1 GiB.
class Array {
 public:
  [[nodiscard]] static Array OfText() { return Array(25); }
  [[nodiscard]] static Array OfBytes() { return Array(17); }
  [[nodiscard]] static Array OfInt8() { return Array(20); }
  [[nodiscard]] static Array OfBool() { return Array(16); }

  // REQUIRES: the element type matches the one the array was made for.
  void Add(std::string_view text_or_bytes);
  void AddInt8(int64_t value);
  void AddBool(bool value);

  [[nodiscard]] size_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  friend class Params;
  explicit Array(uint32_t element_oid);
  [[nodiscard]] std::string Finish() &&;

  std::string bytes_;
  uint32_t count_ = 0;
};

// The parameters of one statement, in order, in binary format. The statement must cast each to the
// type named by the method: `$1::text`, `$2::int8`, `$3::bytea`, `$4::bool`, `$5::text[]`.
class Params {
 public:
  Params& Text(std::string_view value);
  Params& Bytes(std::string_view value) { return Text(value); }
  Params& Int8(int64_t value);
  Params& Bool(bool value);
  Params& Add(Array array);

  [[nodiscard]] const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<std::string> values_;
};

}  // namespace homeport::postgres
