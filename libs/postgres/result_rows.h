#pragma once

#include <pqxx/pqxx>

#include "libs/base/check.h"
#include "libs/postgres/result.h"

namespace homeport::postgres {

// Keeps pqxx out of result.h.
class Result::Rows {
 public:
  explicit Rows(const pqxx::result& r) : result(r) {}

  [[nodiscard]] pqxx::field Field(size_t row, int column) const {
    HP_CHECK(row < result.size());
    HP_CHECK(column >= 0 && static_cast<unsigned>(column) < result.columns());
    return result[static_cast<pqxx::result::size_type>(row)][column];
  }

  pqxx::result result;
};

}  // namespace homeport::postgres
