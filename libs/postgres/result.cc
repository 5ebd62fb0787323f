#include "libs/postgres/result.h"

#include <charconv>

#include "libs/base/ascii.h"
#include "libs/base/check.h"
#include "libs/postgres/result_rows.h"

namespace homeport::postgres {

Result::Result(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
Result::Result(Result&&) noexcept = default;
Result& Result::operator=(Result&&) noexcept = default;
Result::~Result() = default;

size_t Result::size() const { return rows_->result.size(); }

size_t Result::affected() const { return rows_->result.affected_rows(); }

bool Result::IsNull(size_t row, int column) const { return rows_->Field(row, column).is_null(); }

std::string_view Result::Text(size_t row, int column) const {
  const pqxx::field field = rows_->Field(row, column);
  if (field.is_null()) return {};
  return {field.c_str(), field.size()};
}

int64_t Result::Int8(size_t row, int column) const {
  const std::string_view text = Text(row, column);
  if (text.empty()) return 0;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  HP_CHECK(error == std::errc() && end == text.data() + text.size());
  return value;
}

bool Result::Bool(size_t row, int column) const {
  const std::string_view text = Text(row, column);
  HP_CHECK(text.empty() || text == "t" || text == "f");
  return text == "t";
}

std::string Result::Bytes(size_t row, int column) const {
  std::string_view text = Text(row, column);
  if (text.empty()) return {};
  // bytea_output is hex, PostgreSQL's default, and set again when the connection opens.
  HP_CHECK(text.size() % 2 == 0 && text.substr(0, 2) == "\\x");
  text.remove_prefix(2);
  std::string bytes(text.size() / 2, '\0');
  HP_CHECK(DecodeHex(text, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()}));
  return bytes;
}

}  // namespace homeport::postgres
