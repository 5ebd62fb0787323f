#pragma once

#include <utility>

#include "libs/postgres/connection.h"

namespace homeport::postgres {

// `body(transaction)`, an absl::Status or StatusOr, in a transaction that is committed where it
// succeeds.
template <typename Body>
[[nodiscard]] auto InTransaction(Connection& connection, Body body)
    -> decltype(body(std::declval<Transaction&>())) {
  Transaction transaction(connection);
  auto result = body(transaction);
  if (!result.ok()) return result;
  if (absl::Status committed = transaction.Commit(); !committed.ok()) return committed;
  return result;
}

}  // namespace homeport::postgres
