#pragma once

#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "libs/postgres/connection.h"

namespace homeport::postgres {

// One numbered step of the schema. `version` counts 1, 2, 3 … without a gap.
struct Migration {
  int version;
  std::string_view name;
  std::string_view sql;
};

// Brings the schema to the last of `migrations`, each in its own transaction, forward only, noted
// in the table schema_migration. An advisory lock lets any number of processes start at once.
// kFailedPrecondition: the database is newer than this program.
[[nodiscard]] absl::Status Migrate(Connection& connection, std::span<const Migration> migrations);

}  // namespace homeport::postgres
