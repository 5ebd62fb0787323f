#include "libs/postgres/migrate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string_view>
#include <thread>

#include "services/registry/schema.h"
#include "services/registry/store/partition_table.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

std::unique_ptr<postgres::Connection> Open(const std::string& database) {
  auto connection = SharedServers().postgres.Connect(database);
  REQUIRE(connection.ok());
  return std::move(connection).value();
}

TEST_CASE("migrations apply once, however often and from however many processes") {
  homeport::testing::PrivatePostgres& server = SharedServers().postgres;
  const std::string database = server.NewDatabase();
  std::vector<absl::Status> results(4);
  std::vector<std::thread> threads;
  for (absl::Status& result : results) {
    threads.emplace_back([&server, &database, &result] {
      const auto connection = server.Connect(database);
      result =
          connection.ok() ? postgres::Migrate(**connection, Migrations()) : connection.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) CHECK(result == absl::OkStatus());
  const auto connection = Open(database);
  CHECK(postgres::Migrate(*connection, Migrations()).ok());
  const auto rows = connection->Execute({"test_count", "SELECT count(*) FROM schema_migration"});
  REQUIRE(rows.ok());
  CHECK(rows->Int8(0, 0) == static_cast<int64_t>(Migrations().size()));
}

// Those in front of one.
std::span<const postgres::Migration> Before(std::string_view name) {
  const auto all = Migrations();
  const auto found = std::find_if(all.begin(), all.end(), [&](const postgres::Migration& m) {
    return std::string_view(m.name) == name;
  });
  REQUIRE(found != all.end());
  return all.first(static_cast<size_t>(found - all.begin()));
}

TEST_CASE("a migration that waits for a table lets others use it") {
  const std::string database = SharedServers().postgres.NewDatabase();
  const postgres::Migration two[] = {{1, "0001_a", "CREATE TABLE a (x int)"},
                                     {2, "0002_b", "ALTER TABLE a ADD COLUMN y int"}};
  const auto holder = Open(database), reader = Open(database), migrating = Open(database);
  REQUIRE(postgres::Migrate(*holder, std::span(two).first(1)).ok());
  absl::Status status;
  std::thread migration;
  {
    postgres::Transaction held(*holder);
    REQUIRE(held.Execute({"test_hold", "SELECT count(*) FROM a"}).ok());
    migration = std::thread([&] { status = postgres::Migrate(*migrating, two, 200); });
    REQUIRE(Eventually([&] {
      const auto waiting =
          reader->Execute({"test_waiting", "SELECT count(*) FROM pg_locks WHERE NOT granted"});
      return waiting.ok() && waiting->Int8(0, 0) > 0;
    }));
    for (int i = 0; i < 3; ++i) CHECK(reader->Execute({"test_read", "SELECT x FROM a"}).ok());
  }
  migration.join();
  CHECK(status == absl::OkStatus());
  CHECK(reader->Execute({"test_added", "SELECT y FROM a"}).ok());
}

TEST_CASE("what was heard of pods before they had rows is kept") {
  const auto connection = Open(SharedServers().postgres.NewDatabase());
  REQUIRE(postgres::Migrate(*connection, Before("0071_stream_producer")).ok());
  REQUIRE(connection
              ->ExecuteScript(
                  "INSERT INTO stream_offset (partition, producers) VALUES (0, '{}'),"
                  R"( (1, '{"gateway-1:0":[41,1000],"gateway-2:0":[9007199254740993,2000]}'))")
              .ok());
  REQUIRE(postgres::Migrate(*connection, Migrations()).ok());
  const auto rows = connection->Execute(
      {"test_producers",
       "SELECT string_agg(concat_ws(' ', partition, pod, sequence, heard_ms), ', ' ORDER BY pod)"
       " FROM stream_producer"});
  REQUIRE(rows.ok());
  CHECK(rows->Text(0, 0) == "1 gateway-1:0 41 1000, 1 gateway-2:0 9007199254740993 2000");
}

TEST_CASE("models of before there were versions become version 1") {
  const auto connection = Open(SharedServers().postgres.NewDatabase());
  REQUIRE(postgres::Migrate(*connection, Before("0020_product_versions")).ok());
  REQUIRE(connection
              ->ExecuteScript(
                  "INSERT INTO product (id, tenant, model, fleet_key) VALUES"
                  R"( ('plain', 'default', '{"type":"urn:s:device:d","services":[]}', ''),)"
                  R"( ('wrapped', 'default', '{"instance":{"type":"urn:s:device:e"}}', ''),)"
                  " ('none', 'default', '', '')")
              .ok());
  REQUIRE(postgres::Migrate(*connection, Migrations()).ok());
  const auto rows = connection->Execute(
      {"test_versions",
       "SELECT string_agg(p.id || ' ' || p.model_version || ' ' || coalesce(v.urn, '-'), ', '"
       " ORDER BY p.id) FROM product p LEFT JOIN product_version v ON v.product = p.id"});
  REQUIRE(rows.ok());
  CHECK(rows->Text(0, 0) == "none 0 -, plain 1 urn:s:device:d, wrapped 1 urn:s:device:e");
}

TEST_CASE(
    "a failing migration leaves no trace; a newer schema is worked on, a strange one is refused") {
  const auto connection = Open(SharedServers().postgres.NewDatabase());
  const postgres::Migration broken[] = {{1, "0001_broken", "CREATE TABLE a (x int); SELECT 1/0;"}};
  CHECK(postgres::Migrate(*connection, broken).code() == absl::StatusCode::kInvalidArgument);
  const postgres::Migration two[] = {{1, "0001_a", "CREATE TABLE a (x int)"},
                                     {2, "0002_b", "CREATE TABLE b (x int)"}};
  CHECK(postgres::Migrate(*connection, two).ok());
  CHECK(postgres::Migrate(*connection, std::span(two).first(1)).ok());
  const postgres::Migration gap[] = {{1, "0001_a", "CREATE TABLE a (x int)"},
                                     {3, "0003_c", "CREATE TABLE c (x int)"}};
  CHECK(postgres::Migrate(*connection, gap).code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("numbers of migrations may have gaps, and a gap may be filled later") {
  const auto connection = Open(SharedServers().postgres.NewDatabase());
  const postgres::Migration all[] = {{1, "0001_a", "CREATE TABLE a (x int)"},
                                     {5, "0005_b", "CREATE TABLE b (x int)"},
                                     {9, "0009_c", "CREATE TABLE c (x int)"}};
  const postgres::Migration first[] = {all[0], all[2]};
  CHECK(postgres::Migrate(*connection, first).ok());
  CHECK(postgres::Migrate(*connection, all).ok());
  CHECK(postgres::Migrate(*connection, all).ok());
  CHECK(connection->ExecuteScript("INSERT INTO b SELECT x FROM a NATURAL JOIN c").ok());
}

TEST_CASE("the number of partitions is fixed") {
  World world;
  CHECK(PartitionTable::Ensure(world.db(), kPartitions).ok());
  CHECK(PartitionTable::Ensure(world.db(), kPartitions + 1).code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("SQL errors by kind") {
  struct Row {
    const char* sql;
    absl::StatusCode code;
  };
  World world;
  world.Run("CREATE TABLE t (x int PRIMARY KEY CHECK (x > 0)); INSERT INTO t VALUES (1)");
  for (const Row& row :
       {Row{"INSERT INTO t VALUES (1)", absl::StatusCode::kAlreadyExists},
        Row{"INSERT INTO t VALUES (0)", absl::StatusCode::kFailedPrecondition},
        Row{"SELECT 1 / 0", absl::StatusCode::kInvalidArgument},
        Row{"SELECT nothing", absl::StatusCode::kInternal},
        Row{"SELECT pg_terminate_backend(pg_backend_pid())", absl::StatusCode::kUnavailable}}) {
    INFO(row.sql);
    CHECK(world.db().ExecuteScript(row.sql).code() == row.code);
  }
}

}  // namespace
}  // namespace homeport::registry::testing
