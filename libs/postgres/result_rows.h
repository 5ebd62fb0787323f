#pragma once

#include <pqxx/pqxx>
#include <utility>

#include "libs/postgres/result.h"

namespace homeport::postgres {

// Keeps pqxx out of result.h.
class Result::Rows {
 public:
  explicit Rows(pqxx::result r) : result(std::move(r)) {}
  pqxx::result result;
};

}  // namespace homeport::postgres
