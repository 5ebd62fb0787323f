#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/filter/compile.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// The table audit.

// Who does what.
struct Actor {
  std::string tenant;
  std::string subject;
};

// The fields that a change replaced, as JSON objects; either may be empty. Never a secret.
struct AuditChange {
  std::string before;
  std::string after;
};

// In the transaction of the change itself. `resource` is a name within the tenant:
// "devices/lamp-1".
[[nodiscard]] absl::Status Audit(postgres::Transaction& transaction, const Actor& actor,
                                 std::string_view action, std::string_view resource,
                                 const AuditChange& change = {});

struct AuditRow {
  int64_t id = 0;
  int64_t at_ms = 0;
  std::string actor;
  std::string action;
  std::string resource;
  AuditChange change;
};

// The fields of its filters.
[[nodiscard]] const filter::Schema& AuditSchema();

// Newest first, those with an id below `before_id` (0: all). The condition's parameters begin at
// kAuditFilterParam.
inline constexpr size_t kAuditFilterParam = 4;
[[nodiscard]] absl::StatusOr<std::vector<AuditRow>> ListAudit(postgres::Connection& connection,
                                                              const TenantId& tenant,
                                                              const filter::Condition& condition,
                                                              int64_t before_id, int64_t limit);

}  // namespace homeport::registry
