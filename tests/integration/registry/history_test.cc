#include <catch2/catch.hpp>
#include <thread>

#include "libs/base/strings.h"
#include "services/registry/history_keeper.h"
#include "services/registry/store/history_reader.h"
#include "services/registry/store/history_sweep.h"
#include "services/registry/store/history_table.h"
#include "tests/integration/registry/world.h"

// Daily partitions of telemetry and events.
namespace homeport::registry::testing {
namespace {

constexpr int64_t kDay = 10'957;  // 2000-01-01

void Insert(World& world, const std::string& received_at) {
  world.Run(fmt::format(
      "INSERT INTO telemetry (device, received_at, channel, payload) VALUES ('d', '{}', 'c', '')",
      received_at));
}

std::string PlaceOf(World& world, const std::string& received_at) {
  return world.Sql(fmt::format("SELECT tableoid::regclass FROM telemetry WHERE received_at = '{}'",
                               received_at));
}

void DropDays(World& world) {
  for (const std::string_view table : kHistoryTables) {
    REQUIRE(DropHistoryBefore(world.db(), table, kDay * 10).ok());
  }
}

TEST_CASE("a day takes its rows, those that came before it was made too") {
  World world;
  DropDays(world);
  CHECK(HistoryDayName("event", kDay) == "event_20000101");
  Insert(world, "2000-01-01 23:59:59.999+00");
  Insert(world, "2000-01-02 00:00:00+00");
  CHECK(*HistoryDefaultRows(world.db(), "telemetry") == 2);
  CHECK(*MakeHistoryDay(world.db(), "telemetry", kDay));
  CHECK_FALSE(*MakeHistoryDay(world.db(), "telemetry", kDay));
  CHECK(PlaceOf(world, "2000-01-01 23:59:59.999+00") == "telemetry_20000101");
  CHECK(PlaceOf(world, "2000-01-02 00:00:00+00") == "telemetry_default");
  CHECK(*HistoryDefaultRows(world.db(), "telemetry") == 1);
  Insert(world, "2000-01-01 00:00:00+00");
  CHECK(PlaceOf(world, "2000-01-01 00:00:00+00") == "telemetry_20000101");
  // Ids go on being given by the parent, and the key holds in the partition.
  CHECK(world.Sql("SELECT count(DISTINCT id) FROM telemetry") == "3");
  CHECK(world.Sql("SELECT count(*) FROM pg_index "
                  "WHERE indrelid = 'telemetry_20000101'::regclass AND indisprimary") == "1");

  const auto dropped = DropHistoryBefore(world.db(), "telemetry", kDay + 2);
  REQUIRE(dropped.ok());
  CHECK(dropped->days == 1);
  CHECK(world.Sql("SELECT count(*) FROM telemetry") == "0");
}

TEST_CASE("days are made while their table is written") {
  World world;
  DropDays(world);
  auto writer = postgres::Connection::Open(world.postgres());
  REQUIRE(writer.ok());
  postgres::Transaction transaction(**writer);
  REQUIRE(MakeHistoryDay(world.db(), "telemetry", kDay).ok());
  REQUIRE(transaction
              .ExecuteScript("INSERT INTO telemetry (device, received_at, channel, payload) "
                             "VALUES ('d', '2000-01-01 12:00+00', 'c', '')")
              .ok());
  CHECK(*MakeHistoryDay(world.db(), "telemetry", kDay + 1));
  REQUIRE(transaction.Commit().ok());
  CHECK(PlaceOf(world, "2000-01-01 12:00+00") == "telemetry_20000101");
}

TEST_CASE("the keeper makes the days ahead, drops the old, and tells how things stand") {
  World world;
  DropDays(world);
  REQUIRE(MakeHistoryDay(world.db(), "telemetry", kDay).ok());
  Insert(world, "2000-01-01 12:00+00");
  Insert(world, "1999-01-01 12:00+00");
  Insert(world, "2200-01-01 12:00+00");
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  const auto series = [](const char* name) {
    return fmt::format("homeport_registry_history_{}{{table=\"telemetry\"}}", name);
  };
  const auto counts = [&](const char* name, double value) {
    return Eventually([&] { return MetricOf(metrics, series(name)) == value; });
  };
  const HistoryKeeper::Options options{.days_ahead = 2, .postgres = world.postgres()};
  HistoryKeeper keeper(options, SystemClock(), probe);
  HistoryKeeper rival(options, SystemClock(), probe);
  keeper.Start();
  rival.Start();
  CHECK(Eventually([&] {
    const auto now_s = static_cast<double>(SystemClock().Wall().value) / 1000;
    return MetricOf(metrics, series("made_until_seconds")) > now_s + 2 * 86'400;
  }));
  CHECK(counts("partitions_made_total", 3));
  CHECK(counts("partitions_dropped_total", 1));
  CHECK(counts("default_rows", 1));
  CHECK(world.Sql("SELECT count(*) FROM telemetry") == "1");
  keeper.Stop();
  rival.Stop();
  Insert(world, "now");
  const int64_t today = SystemClock().Wall().value / kDayMs;
  CHECK(world.Sql(fmt::format("SELECT count(*) FROM {}", HistoryDayName("telemetry", today))) ==
        "1");
}

// Devices of a product that keeps history for two days, and of one that keeps all, with rows on
// five days.
struct Retention {
  Retention() {
    DropDays(world);
    world.Run(
        "INSERT INTO product (id, tenant, fleet_key, history_days) VALUES"
        " ('test.short', 'default', 'k', 2), ('test.long', 'default', 'k', 0);"
        "INSERT INTO device (id, tenant, product) SELECT 'd' || i, 'default',"
        " (ARRAY['test.short', 'test.long'])[i % 2 + 1] FROM generate_series(1, 20) AS i");
    for (int64_t day = kDay; day < kDay + 5; ++day) {
      REQUIRE(MakeHistoryDay(world.db(), "telemetry", day).ok());
      world.Run(
          fmt::format("INSERT INTO telemetry (device, received_at, channel, payload)"
                      " SELECT 'd' || i, to_timestamp({} * 86400 + j), 'c', repeat('x', 100)::bytea"
                      " FROM generate_series(1, 21) AS i, generate_series(1, 50) AS j",
                      day));
    }
  }
  ~Retention() { DropDays(world); }
  // Until nothing is due. Rows deleted.
  int64_t Sweep(postgres::Connection& connection, int64_t today, int64_t blocks = 2) {
    int64_t rows = 0;
    for (steps = 0;; ++steps) {
      const auto step = SweepHistory(connection, "telemetry", today, blocks);
      REQUIRE(step.status() == absl::OkStatus());
      if (step->partition.empty()) return rows;
      rows += step->rows;
      REQUIRE(steps < 1000);
    }
  }
  std::string Rows(const std::string& where) {
    return world.Sql("SELECT count(*) FROM telemetry JOIN device ON device = device.id WHERE " +
                     where);
  }
  World world;
  int steps = 0;
};

TEST_CASE("rows go when their product keeps them no longer, block by block, and no others") {
  Retention past;
  // Days 0 and 1 are older than two days.
  CHECK(past.Sweep(past.world.db(), kDay + 4) == 2 * 10 * 50);
  CHECK(past.steps > 10);
  CHECK(past.Rows("product = 'test.short'") == std::to_string(3 * 10 * 50));
  CHECK(past.Rows("product = 'test.long'") == std::to_string(5 * 10 * 50));
  CHECK(past.world.Sql("SELECT count(*) FROM telemetry WHERE device = 'd21'") == "250");
  CHECK(past.world.Sql("SELECT count(DISTINCT date_trunc('day', received_at)) FROM telemetry"
                       " WHERE device = 'd2'") == "3");
  // Once; the next day another one is due.
  CHECK(past.Sweep(past.world.db(), kDay + 4) == 0);
  CHECK(past.steps == 0);
  CHECK(past.Sweep(past.world.db(), kDay + 5) == 10 * 50);
  // Another setting is another sweep.
  past.world.Run("UPDATE product SET history_days = 1 WHERE id = 'test.long'");
  CHECK(past.Sweep(past.world.db(), kDay + 5) == 4 * 10 * 50);
  CHECK(past.Rows("true") == std::to_string(3 * 10 * 50 - 10 * 50 + 10 * 50));
  CHECK(past.world.Sql("SELECT count(*) FROM history_sweep WHERE done") == "4");
  DropDays(past.world);
  CHECK(past.world.Sql("SELECT count(*) FROM history_sweep") == "0");
}

TEST_CASE("pods share a sweep, and take over one that was broken off") {
  Retention past;
  auto other = postgres::Connection::Open(past.world.postgres());
  REQUIRE(other.ok());
  int64_t rows = 0;
  for (int i = 0; i < 8; ++i) {
    const auto step =
        SweepHistory(i % 2 == 0 ? past.world.db() : **other, "telemetry", kDay + 4, 1);
    REQUIRE(step.ok());
    rows += step->rows;
  }
  CHECK(rows > 0);
  std::thread rival([&] {
    for (;;) {
      const auto step = SweepHistory(**other, "telemetry", kDay + 4, 1);
      if (!step.ok() || step->partition.empty()) return;
    }
  });
  past.Sweep(past.world.db(), kDay + 4, 1);
  rival.join();
  CHECK(past.Rows("product = 'test.short'") == std::to_string(3 * 10 * 50));
  CHECK(past.Rows("product = 'test.long'") == std::to_string(5 * 10 * 50));
}

TEST_CASE("the keeper deletes what products keep no longer, and tells how much") {
  Retention past;
  DropDays(past.world);
  const int64_t today = SystemClock().Wall().value / kDayMs;
  for (const int64_t day : {today - 4, today - 1}) {
    REQUIRE(MakeHistoryDay(past.world.db(), "property_sample", day).ok());
    past.world.Run(fmt::format(
        "INSERT INTO property_sample (device, name, received_at, reported_at, value)"
        " SELECT 'd' || i, 'a.b', to_timestamp({0} * 86400), to_timestamp({0} * 86400), '1'"
        " FROM generate_series(1, 20) AS i",
        day));
  }
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  HistoryKeeper keeper({.days_ahead = 1, .postgres = past.world.postgres()}, SystemClock(), probe);
  keeper.Start();
  CHECK(Eventually([&] {
    return MetricOf(metrics,
                    "homeport_registry_history_rows_expired_total{table=\"property_sample\"}") ==
           10;
  }));
  keeper.Stop();
  CHECK(past.world.Sql("SELECT count(*) FROM property_sample") == "30");
  CHECK(past.world.Sql("SELECT count(*) FROM property_sample JOIN device ON device = device.id"
                       " WHERE product = 'test.short'") == "10");
}

}  // namespace
}  // namespace homeport::registry::testing
