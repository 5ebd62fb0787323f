#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "services/registry/history_keeper.h"
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

}  // namespace
}  // namespace homeport::registry::testing
