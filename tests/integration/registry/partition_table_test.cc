#include "services/registry/store/partition_table.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <thread>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/purge_table.h"
#include "services/registry/store/state_store.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

constexpr int64_t kLeaseMs = 10'000;

PartitionRow AcquireOne(World& world, const PartitionTable& table, uint32_t partition) {
  const auto rows = table.Acquire(world.db(), {partition});
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  return rows->front();
}

PartitionCommit CommitOf(const PartitionRow& row, StreamId last_id) {
  return {.partition = row.partition, .last_id = last_id, .heard = {}, .pending = ""};
}

PartitionKey KeyOf(const PartitionRow& row) { return {row.partition, row.fence}; }

absl::Status MoveOn(postgres::Transaction& transaction, const PartitionTable& table,
                    const PartitionRow& row, const PartitionCommit& commit) {
  HP_RETURN_IF_ERROR(table.Lock(transaction, {KeyOf(row)}).status());
  return table.Move(transaction, {commit});
}

absl::Status CommitAlone(World& world, const PartitionTable& table, const PartitionRow& row,
                         const PartitionCommit& commit) {
  postgres::Transaction transaction(world.db());
  HP_RETURN_IF_ERROR(MoveOn(transaction, table, row, commit));
  return transaction.Commit();
}

// Somebody waits for a row that another has locked.
bool SomebodyWaits(World& world) {
  const auto watcher = postgres::Connection::Open(world.postgres());
  REQUIRE(watcher.ok());
  return Eventually([&] {
    const auto waiting = (*watcher)->Execute(
        {"test_waiting", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"});
    return waiting.ok() && waiting->Int8(0, 0) > 0;
  });
}

void Expire(World& world) { world.Run("UPDATE stream_offset SET lease_until = now()"); }

TEST_CASE("a held partition is not given to another, a free or expired one is") {
  World world;
  const PartitionTable first("registry-1", kLeaseMs);
  const PartitionTable second("registry-2", kLeaseMs);
  const PartitionRow row = AcquireOne(world, first, 2);
  CHECK(second.Acquire(world.db(), {2})->empty());
  SECTION("expired") {
    Expire(world);
    CHECK(AcquireOne(world, second, 2).fence == row.fence + 1);
  }
  SECTION("released") {
    CHECK(first.Release(world.db(), {{2, row.fence}}, {.sent = true}).ok());
    CHECK(AcquireOne(world, second, 2).fence == row.fence + 1);
  }
  SECTION("renewed in time") {
    CHECK(first.Renew(world.db(), {{2, row.fence}}, 0)->size() == 1);
    CHECK(second.Acquire(world.db(), {2})->empty());
  }
}

TEST_CASE("a commit given up and carried out later is either seen or fails") {
  World world;
  const PartitionTable table("registry-1", kLeaseMs);
  const PartitionRow row = AcquireOne(world, table, 1);
  const auto lost = postgres::Connection::Open(world.postgres());
  REQUIRE(lost.ok());
  SECTION("under way: waited for, and seen") {
    auto transaction = std::make_unique<postgres::Transaction>(**lost);
    PartitionCommit commit = CommitOf(row, {7, 0});
    commit.heard = {{"gateway-1", {41, 1'000}}};
    REQUIRE(MoveOn(*transaction, table, row, commit).ok());
    StreamId seen;
    bool repeats = true;
    std::thread successor([&] {
      const auto rows = table.Reload(world.db(), {{1, row.fence}});
      if (!rows.ok() || rows->size() != 1) return;
      seen = rows->front().last_id;
      ProducerMap heard;
      repeats = rows->front().producers.Admit(heard, "gateway-1", 41, 2'000);
    });
    CHECK(SomebodyWaits(world));
    CHECK(transaction->Commit().ok());
    successor.join();
    CHECK(seen == StreamId{7, 0});
    CHECK_FALSE(repeats);
  }
  SECTION("not begun: fenced off") {
    const auto rows = table.Reload(world.db(), {{1, row.fence}});
    REQUIRE(rows.ok());
    CHECK(rows->front().fence == row.fence + 1);
    postgres::Transaction transaction(**lost);
    CHECK(ReasonOf(table.Lock(transaction, {KeyOf(row)}).status()) == PartitionTable::kFenced);
  }
}

TEST_CASE("a paused owner's write fails as a whole") {
  World world;
  const PartitionTable paused("registry-1", kLeaseMs);
  const PartitionTable owner("registry-2", kLeaseMs);
  const PartitionRow before = AcquireOne(world, paused, 1);
  CHECK(CommitAlone(world, paused, before, CommitOf(before, {5, 0})).ok());
  Expire(world);
  const PartitionRow after = AcquireOne(world, owner, 1);
  CHECK(after.last_id == StreamId{5, 0});

  CHECK(ReasonOf(CommitAlone(world, paused, before, CommitOf(before, {6, 0}))) ==
        PartitionTable::kFenced);
  CHECK(paused.Renew(world.db(), {{1, before.fence}}, 0)->empty());
  CHECK(paused.Reload(world.db(), {{1, before.fence}})->empty());
  CHECK(world.Sql("SELECT last_id FROM stream_offset WHERE partition = 1") == "5-0");
}

TEST_CASE("an owner that stands still in a COPY is parted from its partitions") {
  constexpr int64_t kShortLeaseMs = 100;
  World world;
  const PartitionTable second("registry-2", kShortLeaseMs);
  AcquireOne(world, PartitionTable("registry-1", kShortLeaseMs), 1);
  Expire(world);
  const std::string psql =
      fmt::format("PGAPPNAME='{}' psql -Xq '{}' 2> /dev/null",
                  world.Sql("SELECT current_setting('application_name')"), world.conninfo());
  FILE* const still = ::popen(psql.c_str(), "w");
  REQUIRE(still != nullptr);
  // Its rows never come.
  std::fputs("BEGIN; UPDATE stream_offset SET fence = fence; COPY telemetry FROM STDIN;\n", still);
  std::fflush(still);
  CHECK(
      world.Becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
                    " AND wait_event = 'ClientRead'",
                    "1"));
  CHECK(second.Acquire(world.db(), {1})->empty());
  CHECK(Eventually([&] { return *second.EndStalled(world.db()) == 1; }));
  CHECK(Eventually([&] { return !second.Acquire(world.db(), {1})->empty(); }));
  ::pclose(still);
}

TEST_CASE("an owner that lost one of its partitions commits none of them") {
  World world;
  const PartitionTable table("registry-1", kLeaseMs);
  const PartitionTable other("registry-2", kLeaseMs);
  const PartitionRow kept = AcquireOne(world, table, 0);
  const PartitionRow lost = AcquireOne(world, table, 1);
  world.Run("UPDATE stream_offset SET lease_until = now() WHERE partition = 1");
  AcquireOne(world, other, 1);
  postgres::Transaction transaction(world.db());
  const auto locked = table.Lock(transaction, {KeyOf(kept), KeyOf(lost)});
  CHECK(ReasonOf(locked.status()) == PartitionTable::kFenced);
  CHECK(locked.status().message() == "1 of 2 partitions are no longer ours");
}

TEST_CASE("a change from outside waits for the owner's transaction, and the next one is told") {
  World world;
  const PartitionTable table("registry-1", kLeaseMs);
  const PartitionRow one = AcquireOne(world, table, 1);
  const PartitionRow three = AcquireOne(world, table, 3);
  std::thread outside;
  {
    postgres::Transaction transaction(world.db());
    const auto generations = table.Lock(transaction, {KeyOf(three), KeyOf(one)});
    REQUIRE(generations.ok());
    CHECK(*generations == std::vector<int64_t>{three.generation, one.generation});
    outside = std::thread([&world] {
      const auto connection = postgres::Connection::Open(world.postgres());
      if (connection.ok()) (void)RaiseGeneration(**connection, 3);
    });
    CHECK(SomebodyWaits(world));
    CHECK(transaction.Commit().ok());
  }
  outside.join();
  postgres::Transaction transaction(world.db());
  const auto generations = table.Lock(transaction, {KeyOf(three), KeyOf(one)});
  REQUIRE(generations.ok());
  CHECK(*generations == std::vector<int64_t>{three.generation + 1, one.generation});
}

TEST_CASE("devices that others change all the time keep no report of theirs back") {
  constexpr int kReports = 50;
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const std::string device = "lamp-1";
  const uint32_t partition = routing::PartitionOf(device, kPartitions);
  std::atomic<bool> stop = false;
  std::atomic<int> changes = 0;
  std::thread outside([&] {
    const auto connection = postgres::Connection::Open(world.postgres());
    while (connection.ok() && !stop) {
      if (RaiseGeneration(**connection, partition).ok()) ++changes;
    }
  });
  gateway.Append({Connected(device)});
  for (int i = 1; i <= kReports; ++i) {
    gateway.Append({Brightness(device, i)});
    CHECK(world.Becomes("SELECT coalesce(max(version), 0) FROM shadow", std::to_string(i)));
  }
  stop = true;
  outside.join();
  CHECK(changes > kReports);
  CHECK(worker.Metric("homeport_registry_fenced_total") == 0);
}

TEST_CASE("a change from outside makes the owner read anew") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const std::string device = "lamp-1";
  gateway.Append({Connected(device), Brightness(device, 1), Brightness(device, 2)});
  CHECK(world.Becomes("SELECT version FROM shadow", "2"));
  {
    postgres::Transaction transaction(world.db());
    REQUIRE(RaiseGeneration(transaction, routing::PartitionOf(device, kPartitions)).ok());
    REQUIRE(RemoveDevice(transaction, device).ok());
    REQUIRE(transaction.Commit().ok());
  }
  UplinkMessage report = Brightness(device, 3);
  report.set_epoch(2);
  gateway.Append({Connected(device, 2), report});
  // The tombstone is version 3; nothing of the former device is left.
  CHECK(world.Becomes("SELECT version || ' ' || state FROM shadow WHERE NOT deleted",
                      R"(4 {"reported":{"light":{"brightness":3}}})"));
  CHECK(worker.Metric("homeport_registry_fenced_total") == 0);
}

TEST_CASE("pending downlinks and producers survive the table") {
  World world;
  const PartitionTable table("registry-1", kLeaseMs);
  const PartitionRow row = AcquireOne(world, table, 3);
  Downlinks downlinks;
  InboxItem item;
  item.mutable_deliver()->set_topic("a/b");
  downlinks.Add("gateway-1", item);
  PartitionCommit commit = CommitOf(row, {7, 1});
  commit.pending = downlinks.Encode();
  commit.heard = {{"gateway-1", {41, 1'000}}};
  REQUIRE(CommitAlone(world, table, row, commit).ok());
  const auto rows = table.Reload(world.db(), {{3, row.fence}});
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  CHECK(rows->front().pending.entries().size() == 1);
  CHECK(rows->front().pending.entries()[0].batch == downlinks.entries()[0].batch);
  const Producers& loaded = rows->front().producers;
  ProducerMap heard;
  CHECK_FALSE(loaded.Admit(heard, "gateway-1", 41, 2'000));
  CHECK(loaded.Admit(heard, "gateway-1", 42, 2'000));
}

TEST_CASE("whoever takes partitions over knows what each pod last appended there") {
  World world;
  const PartitionTable first("registry-1", kLeaseMs);
  const PartitionTable second("registry-2", kLeaseMs);
  PartitionRow one = AcquireOne(world, first, 1);
  const PartitionRow two = AcquireOne(world, first, 2);
  PartitionCommit commit = CommitOf(one, {7, 1});
  commit.heard = {{"gateway-1", {41, 1'000}}, {"gateway-2", {5, 1'000}}};
  REQUIRE(CommitAlone(world, first, one, commit).ok());
  commit.heard = {{"gateway-1", {42, 2'000}}};
  REQUIRE(CommitAlone(world, first, one, commit).ok());
  commit = CommitOf(two, {7, 1});
  commit.heard = {{"gateway-1", {3, 2'000}}};
  REQUIRE(CommitAlone(world, first, two, commit).ok());
  Expire(world);
  const auto rows = second.Acquire(world.db(), {1, 2, 3});
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 3);
  std::map<uint32_t, std::string> known;
  for (const PartitionRow& row : *rows) {
    ProducerMap heard;
    for (const char* pod : {"gateway-1", "gateway-2"}) {
      CHECK_FALSE(row.producers.Admit(heard, pod, 0, 3'000));
      known[row.partition] += fmt::format("{} ", heard.at(pod).sequence);
    }
  }
  CHECK(known == std::map<uint32_t, std::string>{{1, "42 5 "}, {2, "3 0 "}, {3, "0 0 "}});
}

TEST_CASE("of too many pods a partition's owner learns those that were heard last") {
  World world;
  const PartitionTable table("registry-1", kLeaseMs);
  world.Run(
      fmt::format("INSERT INTO stream_producer SELECT p, 'gateway-' || i, 9, i"
                  " FROM generate_series(1, 2) AS p, generate_series(1, {}) AS i",
                  Producers::kPodsMax + 1));
  const PartitionRow row = AcquireOne(world, table, 1);
  CHECK(row.producers.size() == Producers::kPodsMax);
  ProducerMap heard;
  CHECK(row.producers.Admit(heard, "gateway-1", 9, 1));
  CHECK_FALSE(row.producers.Admit(heard, "gateway-2", 9, 1));
}

TEST_CASE("what was heard of a pod is purged a day later") {
  World world;
  world.Run(
      "INSERT INTO stream_producer VALUES (1, 'silent', 9, 1000), (2, 'silent', 9, 1000),"
      " (1, 'alive', 9, date_part('epoch', now()) * 1000 - 88000000)");
  const auto purge = [&](int64_t limit) { return PurgeProducers(world.db(), limit).value(); };
  CHECK(purge(1) == 1);
  CHECK(purge(5) == 1);
  CHECK(purge(5) == 0);
  CHECK(world.Sql("SELECT pod FROM stream_producer") == "alive");
}

}  // namespace
}  // namespace homeport::registry::testing
