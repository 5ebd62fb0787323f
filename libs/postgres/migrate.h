#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "libs/postgres/connection.h"

namespace homeport::postgres {

// One numbered step of the schema. Versions ascend; numbers may be left out.
struct Migration {
  int version;
  std::string_view name;
  std::string_view sql;
};

// Applies those of `migrations` that the table schema_migration does not note, in order, each in
// its own transaction, forward only. An advisory lock lets any number of processes start at once.
// A statement that waits for a table has everybody behind it wait, too: after `patience_ms` it
// steps back, for as long, and is tried again until it succeeds. kFailedPrecondition: the database
// notes one that this program does not know.
[[nodiscard]] absl::Status Migrate(Connection& connection, std::span<const Migration> migrations,
                                   int64_t patience_ms = 5'000);

}  // namespace homeport::postgres
