#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace homeport::postgres {

// Rows for `COPY … FROM STDIN (FORMAT binary)`, built field by field in the order of the columns
// that the statement names, of which there are `columns`. The server parses no text.
class CopyRows {
 public:
  explicit CopyRows(uint16_t columns);

  // Each adds the next field; its column must be of the type named.
  void Text(std::string_view text_or_bytes);
  void Int8(int64_t value);
  void Float8(double value);
  void Timestamp(int64_t unix_ms);  // timestamptz
  void Null();

  [[nodiscard]] bool empty() const { return fields_ == 0; }
  // What goes to the server. REQUIRES: the last row is complete. Nothing can be added afterwards.
  [[nodiscard]] std::string_view Finish();

 private:
  void BeginField();
  void Integer(uint64_t value);

  const uint16_t columns_;
  uint64_t fields_ = 0;
  std::string bytes_;
};

}  // namespace homeport::postgres
