#include "services/registry/store/history_reader.h"

#include <cstdlib>
#include <limits>

#include "libs/base/status.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

// `received_at` has whole milliseconds, so these conversions lose nothing.
#define HP_MS(column) "(extract(epoch FROM " column ") * 1000)::int8"
#define HP_RANGE                                                                \
  " WHERE device = $1::text AND received_at >= to_timestamp($3::int8 / 1000.0)" \
  " AND received_at < to_timestamp($4::int8 / 1000.0)"
#define HP_AFTER(sign) " AND (received_at, id) " sign " (to_timestamp($5::int8 / 1000.0), $6::int8)"

#define HP_TELEMETRY                                                              \
  "SELECT " HP_MS("received_at") ", id, channel, payload FROM telemetry" HP_RANGE \
                                 " AND ($2::text = '' OR channel = $2::text)"
#define HP_EVENTS                                         \
  "SELECT " HP_MS("received_at") ", id, " HP_MS(          \
      "event_at") ", name, arguments FROM event" HP_RANGE \
                  " AND ($2::text = '' OR name = $2::text)"

#define HP_VALUES                                \
  "SELECT " HP_MS("received_at") ", id, " HP_MS( \
      "reported_at") ", value FROM property_sample" HP_RANGE " AND name = $2::text"

constexpr Statement kTelemetryUp{
    "history_telemetry_up", HP_TELEMETRY HP_AFTER(">") " ORDER BY received_at, id LIMIT $7::int8"};
constexpr Statement kTelemetryDown{
    "history_telemetry_down",
    HP_TELEMETRY HP_AFTER("<") " ORDER BY received_at DESC, id DESC LIMIT $7::int8"};
constexpr Statement kEventsUp{"history_events_up",
                              HP_EVENTS HP_AFTER(">") " ORDER BY received_at, id LIMIT $7::int8"};
constexpr Statement kEventsDown{
    "history_events_down",
    HP_EVENTS HP_AFTER("<") " ORDER BY received_at DESC, id DESC LIMIT $7::int8"};

constexpr Statement kValuesUp{"history_values_up",
                              HP_VALUES HP_AFTER(">") " ORDER BY received_at, id LIMIT $7::int8"};
constexpr Statement kValuesDown{
    "history_values_down",
    HP_VALUES HP_AFTER("<") " ORDER BY received_at DESC, id DESC LIMIT $7::int8"};

// A payload as a number; of other payloads nothing is cast. The escape format leaves ASCII as it
// is.
#define HP_NUMBER                                                       \
  "CASE WHEN octet_length(payload) <= 32 AND encode(payload, 'escape')" \
  " ~ '^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,2})?$'"                   \
  " THEN encode(payload, 'escape')::float8 END"

// Samples of one series with their numbers (num), from `since` on. The last one before the first
// window gives the first increase; its own window is negative.
#define HP_SERIES(num, table, name)                                                          \
  "(SELECT received_at, id, " num " AS num FROM " table " WHERE device = $1::text AND " name \
  " = $2::text AND received_at >= to_timestamp($7::int8 / 1000.0) "
#define HP_WINDOWS(series) \
  "WITH sample AS ("                                                                               \
  " (SELECT * FROM " series                                                                        \
  "   AND received_at < to_timestamp($3::int8 / 1000.0)"                                           \
  "   AND received_at >= to_timestamp(($3::int8 - $6::int8) / 1000.0)) AS before"                  \
  "  WHERE num IS NOT NULL ORDER BY received_at DESC, id DESC LIMIT 1)"                            \
  " UNION ALL"                                                                                     \
  " SELECT * FROM " series                                                                         \
  "   AND received_at >= to_timestamp($3::int8 / 1000.0)"                                          \
  "   AND received_at < to_timestamp($4::int8 / 1000.0)) AS within WHERE num IS NOT NULL),"        \
  " step AS (SELECT floor((" HP_MS("received_at") " - $3::int8)::float8 / $5::int8)::int8 AS w,"   \
  "  received_at, id, num, lag(num) OVER (ORDER BY received_at, id) AS prev FROM sample) "         \
  "SELECT $3::int8 + w * $5::int8, count(*), min(num), max(num), avg(num),"                        \
  " (min(ARRAY[extract(epoch FROM received_at)::float8, id::float8, num]))[3],"                    \
  " (max(ARRAY[extract(epoch FROM received_at)::float8, id::float8, num]))[3],"                    \
  " coalesce(sum(CASE WHEN prev IS NULL THEN 0 WHEN num >= prev THEN num - prev ELSE num END), 0) " \
  "FROM step WHERE w >= 0 GROUP BY w ORDER BY w"

constexpr Statement kTelemetryWindows{"history_windows",
                                      HP_WINDOWS(HP_SERIES(HP_NUMBER, "telemetry", "channel"))};
constexpr Statement kPropertyWindows{"history_property_windows",
                                     HP_WINDOWS(HP_SERIES("number", "property_sample", "name"))};

#undef HP_MS
#undef HP_RANGE
#undef HP_AFTER
#undef HP_TELEMETRY
#undef HP_EVENTS
#undef HP_NUMBER
#undef HP_VALUES
#undef HP_SERIES
#undef HP_WINDOWS

Params ParamsOf(const HistoryQuery& query) {
  Params params;
  params.Text(query.device).Text(query.name).Int8(query.from_ms).Int8(query.until_ms);
  params.Int8(query.after.received_ms).Int8(query.after.id).Int8(query.limit);
  return params;
}

// PostgreSQL prints a float8 so that it reads back as the same.
double Float8(const Result& rows, size_t row, int column) {
  return std::strtod(std::string(rows.Text(row, column)).c_str(), nullptr);
}

absl::StatusOr<std::vector<WindowRow>> ReadWindows(postgres::Connection& connection,
                                                   const Statement& statement,
                                                   const WindowQuery& query) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement, Params()
                                                                           .Text(query.device)
                                                                           .Text(query.name)
                                                                           .Int8(query.from_ms)
                                                                           .Int8(query.until_ms)
                                                                           .Int8(query.window_ms)
                                                                           .Int8(query.back_ms)
                                                                           .Int8(query.since_ms)));
  std::vector<WindowRow> windows;
  for (size_t i = 0; i < rows.size(); ++i) {
    windows.push_back({.start_ms = rows.Int8(i, 0),
                       .count = rows.Int8(i, 1),
                       .min = Float8(rows, i, 2),
                       .max = Float8(rows, i, 3),
                       .avg = Float8(rows, i, 4),
                       .first = Float8(rows, i, 5),
                       .last = Float8(rows, i, 6),
                       .increase = Float8(rows, i, 7)});
  }
  return windows;
}

}  // namespace

HistoryPlace HistoryQuery::BeforeAll(bool newest_first) {
  constexpr int64_t kFarMs = 4'102'444'800'000;  // 2100: PostgreSQL's own limit is beyond
  return newest_first ? HistoryPlace{kFarMs, std::numeric_limits<int64_t>::max()}
                      : HistoryPlace{0, -1};
}

absl::StatusOr<std::vector<StoredTelemetry>> ReadTelemetry(postgres::Connection& connection,
                                                           const HistoryQuery& query) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(query.newest_first ? kTelemetryDown : kTelemetryUp, ParamsOf(query)));
  std::vector<StoredTelemetry> stored;
  for (size_t i = 0; i < rows.size(); ++i) {
    stored.push_back({.place = {rows.Int8(i, 0), rows.Int8(i, 1)},
                      .channel = std::string(rows.Text(i, 2)),
                      .payload = rows.Bytes(i, 3)});
  }
  return stored;
}

absl::StatusOr<std::vector<StoredEvent>> ReadEvents(postgres::Connection& connection,
                                                    const HistoryQuery& query) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(query.newest_first ? kEventsDown : kEventsUp, ParamsOf(query)));
  std::vector<StoredEvent> stored;
  for (size_t i = 0; i < rows.size(); ++i) {
    stored.push_back({.place = {rows.Int8(i, 0), rows.Int8(i, 1)},
                      .event_ms = rows.Int8(i, 2),
                      .name = std::string(rows.Text(i, 3)),
                      .arguments = std::string(rows.Text(i, 4))});
  }
  return stored;
}

absl::StatusOr<std::vector<StoredValue>> ReadPropertyValues(postgres::Connection& connection,
                                                            const HistoryQuery& query) {
  HP_ASSIGN_OR_RETURN(
      const Result rows,
      connection.Execute(query.newest_first ? kValuesDown : kValuesUp, ParamsOf(query)));
  std::vector<StoredValue> stored;
  for (size_t i = 0; i < rows.size(); ++i) {
    stored.push_back({.place = {rows.Int8(i, 0), rows.Int8(i, 1)},
                      .reported_ms = rows.Int8(i, 2),
                      .value = std::string(rows.Text(i, 3))});
  }
  return stored;
}

absl::StatusOr<std::vector<WindowRow>> ReadTelemetryWindows(postgres::Connection& connection,
                                                            const WindowQuery& query) {
  return ReadWindows(connection, kTelemetryWindows, query);
}

absl::StatusOr<std::vector<WindowRow>> ReadPropertyWindows(postgres::Connection& connection,
                                                           const WindowQuery& query) {
  return ReadWindows(connection, kPropertyWindows, query);
}

}  // namespace homeport::registry
