#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/filter/compile.h"

namespace homeport::filter {

// One term of an order, borrowed from the schema.
struct OrderTerm {
  const Field* field = nullptr;
  bool descending = false;
};
using Order = std::vector<OrderTerm>;

inline constexpr size_t kOrderTermsMax = 4;

// "field [asc|desc], …" (AIP-132); the schema's unique key is added where it is not named, so that
// every order is total. INVALID_ARGUMENT ORDER_INVALID with the position. Pure: any thread.
[[nodiscard]] absl::StatusOr<Order> ParseOrder(std::string_view text, const Schema& schema);

// What to select for each term, a column each, to find one's place again; text or int8.
[[nodiscard]] std::string KeyColumns(const Order& order);
// For ORDER BY.
[[nodiscard]] std::string OrderBy(const Order& order);
// True of the rows behind the one with those keys (as selected, printed). REQUIRES: one key for
// each term. INVALID_ARGUMENT PAGE_TOKEN_INVALID for a key that is none.
[[nodiscard]] absl::StatusOr<Condition> Behind(const Order& order,
                                               const std::vector<std::string>& keys,
                                               size_t first_param);

}  // namespace homeport::filter
