#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Operating errors cross module borders as absl::Status; bugs die in HP_CHECK (base/check.h).

// Returns from the calling function when `expr` (an absl::Status) is not OK.
#define HP_RETURN_IF_ERROR(expr)                                               \
  do {                                                                         \
    if (absl::Status hp_status_ = (expr); !hp_status_.ok()) return hp_status_; \
  } while (false)

#define HP_STATUS_CONCAT_INNER_(a, b) a##b
#define HP_STATUS_CONCAT_(a, b) HP_STATUS_CONCAT_INNER_(a, b)

// HP_ASSIGN_OR_RETURN(auto value, Compute()): declares `value`, or returns Compute()'s status.
#define HP_ASSIGN_OR_RETURN(lhs, expr) \
  HP_ASSIGN_OR_RETURN_IMPL_(HP_STATUS_CONCAT_(hp_statusor_, __LINE__), lhs, expr)
#define HP_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = std::move(tmp).value()
