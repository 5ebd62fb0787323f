#include "libs/postgres/migrate.h"

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::postgres {
namespace {

// Any constant, the same in every process: "homeport" in ASCII.
constexpr int64_t kAdvisoryKey = 0x686f6d65706f7274;

constexpr Statement kLock{"migrate_lock", "SELECT pg_advisory_lock($1::int8)"};
constexpr Statement kUnlock{"migrate_unlock", "SELECT pg_advisory_unlock($1::int8)"};
constexpr Statement kCurrent{"migrate_current",
                             "SELECT coalesce(max(version), 0) FROM schema_migration"};
constexpr Statement kNote{"migrate_note",
                          "INSERT INTO schema_migration (version, name) "
                          "VALUES ($1::int8, $2::text)"};
constexpr std::string_view kTable =
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    " version bigint PRIMARY KEY, name text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";

absl::Status Apply(Connection& connection, const Migration& migration) {
  Transaction transaction(connection);
  HP_RETURN_IF_ERROR(transaction.ExecuteScript(migration.sql));
  HP_RETURN_IF_ERROR(
      transaction.Execute(kNote, Params().Int8(migration.version).Text(migration.name)).status());
  HP_RETURN_IF_ERROR(transaction.Commit());
  log::Info("migration_applied", {{"version", migration.version}, {"name", migration.name}});
  return absl::OkStatus();
}

absl::Status ApplyMissing(Connection& connection, std::span<const Migration> migrations) {
  HP_RETURN_IF_ERROR(connection.ExecuteScript(kTable));
  HP_ASSIGN_OR_RETURN(const Result current, connection.Execute(kCurrent));
  const int64_t version = current.Int8(0, 0);
  if (version > static_cast<int64_t>(migrations.size())) {
    return absl::FailedPreconditionError(fmt::format(
        "the schema has version {}, this program knows {}", version, migrations.size()));
  }
  for (const Migration& migration : migrations.subspan(static_cast<size_t>(version))) {
    HP_RETURN_IF_ERROR(Apply(connection, migration));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Migrate(Connection& connection, std::span<const Migration> migrations) {
  HP_RETURN_IF_ERROR(connection.Execute(kLock, Params().Int8(kAdvisoryKey)).status());
  const absl::Status applied = ApplyMissing(connection, migrations);
  const absl::Status unlocked = connection.Execute(kUnlock, Params().Int8(kAdvisoryKey)).status();
  return applied.ok() ? unlocked : applied;
}

}  // namespace homeport::postgres
