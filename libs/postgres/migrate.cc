#include "libs/postgres/migrate.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "absl/time/clock.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/sql_error.h"

namespace homeport::postgres {
namespace {

// Any constant, the same in every process: "homeport" in ASCII.
constexpr int64_t kAdvisoryKey = 0x686f6d65706f7274;

constexpr Statement kTryLock{"migrate_try_lock", "SELECT pg_try_advisory_lock($1::int8)"};
constexpr Statement kLock{"migrate_lock", "SELECT pg_advisory_lock($1::int8)"};
constexpr Statement kUnlock{"migrate_unlock", "SELECT pg_advisory_unlock($1::int8)"};
constexpr Statement kApplied{"migrate_applied",
                             "SELECT version FROM schema_migration ORDER BY version"};
constexpr Statement kNote{"migrate_note",
                          "INSERT INTO schema_migration (version, name) "
                          "VALUES ($1::int8, $2::text)"};
constexpr std::string_view kTable =
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    " version bigint PRIMARY KEY, name text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";

absl::Status TryApply(Connection& connection, const Migration& migration, int64_t patience_ms) {
  Transaction transaction(connection);
  HP_RETURN_IF_ERROR(
      transaction.ExecuteScript(fmt::format("SET LOCAL lock_timeout = {}", patience_ms)));
  HP_RETURN_IF_ERROR(transaction.ExecuteScript(migration.sql));
  HP_RETURN_IF_ERROR(
      transaction.Execute(kNote, Params().Int8(migration.version).Text(migration.name)).status());
  HP_RETURN_IF_ERROR(transaction.Commit());
  log::Info("migration_applied", {{"version", migration.version}, {"name", migration.name}});
  return absl::OkStatus();
}

absl::Status Apply(Connection& connection, const Migration& migration, int64_t patience_ms) {
  log::Info("migration_started", {{"version", migration.version}, {"name", migration.name}});
  for (;;) {
    const absl::Status status = TryApply(connection, migration, patience_ms);
    if (ReasonOf(status) != kLockTimeout) return status;
    log::Warn("migration_waits",
              {{"version", migration.version}, {"error", status}, {"next", "again in a moment"}});
    absl::SleepFor(absl::Milliseconds(patience_ms));
  }
}

absl::StatusOr<std::set<int64_t>> Applied(Connection& connection) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kApplied));
  std::set<int64_t> versions;
  for (size_t i = 0; i < rows.size(); ++i) versions.insert(rows.Int8(i, 0));
  return versions;
}

absl::Status ApplyMissing(Connection& connection, std::span<const Migration> migrations,
                          int64_t patience_ms) {
  HP_RETURN_IF_ERROR(connection.ExecuteScript(kTable));
  HP_ASSIGN_OR_RETURN(const std::set<int64_t> applied, Applied(connection));
  const int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  for (const int64_t version : applied) {
    if (version > newest) {
      log::Info(
          "schema_is_newer",
          {{"version", version},
           {"next", "this program goes on: schemas only add, but for what OPERATIONS.md names"}});
      continue;
    }
    const bool is_known = std::any_of(migrations.begin(), migrations.end(),
                                      [&](const auto& known) { return known.version == version; });
    if (!is_known) {
      return absl::FailedPreconditionError(fmt::format(
          "the schema has migration {}, which this program should know and does not", version));
    }
  }
  for (const Migration& migration : migrations) {
    if (!applied.contains(migration.version))
      HP_RETURN_IF_ERROR(Apply(connection, migration, patience_ms));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Migrate(Connection& connection, std::span<const Migration> migrations,
                     int64_t patience_ms) {
  HP_ASSIGN_OR_RETURN(const Result alone,
                      connection.Execute(kTryLock, Params().Int8(kAdvisoryKey)));
  if (!alone.Bool(0, 0)) {
    log::Info("migrations_awaited", {{"reason", "another process applies them"}});
    HP_RETURN_IF_ERROR(connection.Execute(kLock, Params().Int8(kAdvisoryKey)).status());
  }
  const absl::Status applied = ApplyMissing(connection, migrations, patience_ms);
  const absl::Status unlocked = connection.Execute(kUnlock, Params().Int8(kAdvisoryKey)).status();
  return applied.ok() ? unlocked : applied;
}

}  // namespace homeport::postgres
