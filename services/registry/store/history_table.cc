#include "services/registry/store/history_table.h"

#include <algorithm>
#include <vector>

#include "absl/time/civil_time.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr int64_t kDefaultRowsMax = 10'000;
constexpr int64_t kAdvisoryKey = 0x686973746f7279;  // "history"

constexpr Statement kLock{"history_lock", "SELECT pg_advisory_xact_lock($1::int8)"};
// By the table, which is never stale; what to_regclass says may be cached from before the lock.
constexpr Statement kExists{"history_exists",
                            "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1::text "
                            "AND relnamespace = current_schema()::regnamespace)"};
constexpr Statement kPartitions{
    "history_partitions",
    "SELECT c.relname, coalesce(pg_stat_get_live_tuples(c.oid), 0) FROM pg_inherits i "
    "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass "
    "AND c.relname < $2::text AND c.relname ~ '_[0-9]{8}$' ORDER BY c.relname"};

constexpr Statement kForgetSweep{"history_forget_sweep",
                                 "DELETE FROM history_sweep WHERE partition = $1::text"};

absl::CivilDay CivilOf(int64_t day) { return absl::CivilDay(1970, 1, 1) + day; }

std::string DateOf(int64_t day) {
  const absl::CivilDay civil = CivilOf(day);
  return fmt::format("{:04}-{:02}-{:02} 00:00:00+00", civil.year(), civil.month(), civil.day());
}

// {0} the table, {1} the partition, {2} and {3} its bounds. The key comes with ATTACH; the identity
// of `id` stays the parent's.
constexpr char kMake[] = R"(
CREATE TABLE {1} (LIKE {0} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION);
WITH moved AS (DELETE FROM {0}_default
  WHERE received_at >= '{2}' AND received_at < '{3}' RETURNING *)
INSERT INTO {1} SELECT * FROM moved;
ALTER TABLE {0} ATTACH PARTITION {1} FOR VALUES FROM ('{2}') TO ('{3}'))";

struct DefaultStatements {
  std::string_view table;
  Statement count;
  Statement purge;
};
constexpr std::array<DefaultStatements, 3> kDefaults = {
    DefaultStatements{"telemetry",
                      {"telemetry_default_count",
                       "SELECT count(*) FROM (SELECT FROM telemetry_default LIMIT $1::int8) AS r"},
                      {"telemetry_default_purge",
                       "DELETE FROM telemetry_default "
                       "WHERE received_at < to_timestamp($1::int8 * 86400)"}},
    DefaultStatements{
        "event",
        {"event_default_count",
         "SELECT count(*) FROM (SELECT FROM event_default LIMIT $1::int8) AS r"},
        {"event_default_purge",
         "DELETE FROM event_default WHERE received_at < to_timestamp($1::int8 * 86400)"}},
    DefaultStatements{
        "property_sample",
        {"property_sample_default_count",
         "SELECT count(*) FROM (SELECT FROM property_sample_default LIMIT $1::int8) AS r"},
        {"property_sample_default_purge",
         "DELETE FROM property_sample_default "
         "WHERE received_at < to_timestamp($1::int8 * 86400)"}}};

const DefaultStatements& DefaultOf(std::string_view table) {
  const auto found = std::find_if(kDefaults.begin(), kDefaults.end(),
                                  [&](const DefaultStatements& d) { return d.table == table; });
  HP_CHECK(found != kDefaults.end());
  return *found;
}

absl::StatusOr<bool> Exists(postgres::Transaction& transaction, const std::string& name) {
  HP_ASSIGN_OR_RETURN(const Result found, transaction.Execute(kExists, Params().Text(name)));
  return found.Bool(0, 0);
}

}  // namespace

std::string HistoryDayName(std::string_view table, int64_t day) {
  const absl::CivilDay civil = CivilOf(day);
  return fmt::format("{}_{:04}{:02}{:02}", table, civil.year(), civil.month(), civil.day());
}

absl::StatusOr<bool> MakeHistoryDay(postgres::Connection& connection, std::string_view table,
                                    int64_t day) {
  const std::string name = HistoryDayName(table, day);
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(bool exists, Exists(transaction, name));
  if (exists) return false;
  HP_RETURN_IF_ERROR(transaction.Execute(kLock, Params().Int8(kAdvisoryKey)).status());
  HP_ASSIGN_OR_RETURN(exists, Exists(transaction, name));  // another pod was first
  if (exists) return false;
  HP_RETURN_IF_ERROR(
      transaction.ExecuteScript(fmt::format(kMake, table, name, DateOf(day), DateOf(day + 1))));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return true;
}

absl::StatusOr<HistoryDropped> DropHistoryBefore(postgres::Connection& connection,
                                                 std::string_view table, int64_t day) {
  HistoryDropped dropped;
  const Params first_kept = Params().Text(table).Text(HistoryDayName(table, day));
  postgres::Transaction transaction(connection);
  HP_RETURN_IF_ERROR(transaction.Execute(kLock, Params().Int8(kAdvisoryKey)).status());
  HP_ASSIGN_OR_RETURN(const Result old, transaction.Execute(kPartitions, first_kept));
  for (size_t i = 0; i < old.size(); ++i) {
    HP_RETURN_IF_ERROR(transaction.ExecuteScript(fmt::format("DROP TABLE {}", old.Text(i, 0))));
    HP_RETURN_IF_ERROR(transaction.Execute(kForgetSweep, Params().Text(old.Text(i, 0))).status());
    ++dropped.days;
    dropped.rows += old.Int8(i, 1);
  }
  HP_ASSIGN_OR_RETURN(const Result purged,
                      transaction.Execute(DefaultOf(table).purge, Params().Int8(day)));
  dropped.rows += static_cast<int64_t>(purged.affected());
  HP_RETURN_IF_ERROR(transaction.Commit());
  return dropped;
}

absl::StatusOr<int64_t> HistoryDefaultRows(postgres::Connection& connection,
                                           std::string_view table) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(DefaultOf(table).count, Params().Int8(kDefaultRowsMax)));
  return rows.Int8(0, 0);
}

}  // namespace homeport::registry
