#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace homeport::postgres {

// The rows of one executed statement, in memory. Columns are counted from 0; reading one with the
// wrong type or out of range is a bug and dies.
class Result {
 public:
  class Rows;
  explicit Result(std::unique_ptr<Rows> rows);
  Result(Result&&) noexcept;
  Result& operator=(Result&&) noexcept;
  ~Result();

  [[nodiscard]] size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  // Rows an INSERT, UPDATE or DELETE touched.
  [[nodiscard]] size_t affected() const;

  [[nodiscard]] bool IsNull(size_t row, int column) const;
  // Borrowed from the result. A null reads as "".
  [[nodiscard]] std::string_view Text(size_t row, int column) const;
  // A null reads as 0, false, "".
  [[nodiscard]] int64_t Int8(size_t row, int column) const;
  [[nodiscard]] bool Bool(size_t row, int column) const;
  [[nodiscard]] std::string Bytes(size_t row, int column) const;

 private:
  std::unique_ptr<Rows> rows_;
};

}  // namespace homeport::postgres
