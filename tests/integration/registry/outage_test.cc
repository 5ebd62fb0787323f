#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "libs/routing/keys.h"
#include "tests/integration/registry/world.h"

// Redis and PostgreSQL die while reports flow. Afterwards every device has exactly the versions it
// reported, no more, no fewer, and its last value.
namespace homeport::registry::testing {
namespace {

// Reports without pause, one batch of one partition after the other, until stopped.
class Load {
 public:
  explicit Load(World& world) : gateway_(world, "gateway-1") {
    for (uint32_t p = 0; p < kPartitions; ++p) devices_.push_back(DevicesOf(p, 20));
    for (const auto& devices : devices_) {
      std::vector<UplinkMessage> batch;
      for (const std::string& device : devices) batch.push_back(Connected(device));
      gateway_.Append(batch);
    }
    thread_ = std::thread([this] {
      while (!stop_) Round();
    });
  }
  ~Load() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Waits for `count` more rounds.
  void Await(int count) {
    const int target = rounds_ + count;
    REQUIRE(Eventually([&] { return rounds_ >= target; }));
  }
  [[nodiscard]] int rounds() const { return rounds_; }

 private:
  void Round() {
    const int value = rounds_ + 1;
    for (const auto& devices : devices_) {
      std::vector<UplinkMessage> batch;
      for (const std::string& device : devices) batch.push_back(Brightness(device, value));
      gateway_.Append(batch);
      // The answer to an append may be lost: a gateway appends again under the same sequence.
      const uint32_t partition = routing::PartitionOf(devices.front(), kPartitions);
      if (value % 3 == 0) gateway_.AppendAs(gateway_.sequence(partition), batch);
    }
    ++rounds_;
  }
  Gateway gateway_;
  std::vector<std::vector<std::string>> devices_;
  std::atomic<int> rounds_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

void CheckExact(World& world, int rounds) {
  const std::string want = std::to_string(rounds);
  CHECK(world.Becomes("SELECT count(*) FROM shadow WHERE version = " + want +
                          " AND state = '{\"reported\":{\"light\":{\"brightness\":" + want + "}}}'",
                      "80"));
  CHECK(world.Sql("SELECT max(version) FROM shadow") == want);
}

TEST_CASE("Redis is killed and comes back") {
  World world;
  TestWorker worker(world);
  Load load(world);
  for (int i = 0; i < 3; ++i) {
    load.Await(20);
    SharedServers().redis.Kill();
    CHECK(Eventually([&] {
      return worker.Metric("homeport_registry_retries_total{dependency=\"redis\"}") > i;
    }));
    SharedServers().redis.Start();
  }
  load.Await(20);
  load.Stop();
  CheckExact(world, load.rounds());
}

TEST_CASE("PostgreSQL is killed and comes back") {
  World world;
  TestWorker worker(world);
  Load load(world);
  for (int i = 0; i < 3; ++i) {
    load.Await(20);
    SharedServers().postgres.Kill();
    CHECK(Eventually([&] {
      return worker.Metric("homeport_registry_retries_total{dependency=\"postgres\"}") > i;
    }));
    SharedServers().postgres.Start();
  }
  load.Await(20);
  load.Stop();
  CheckExact(world, load.rounds());
}

TEST_CASE("PostgreSQL stands still and goes on") {
  World world;
  TestWorker worker(world, {.answer_ms_max = 300});
  Load load(world);
  for (int i = 0; i < 5; ++i) {
    load.Await(10);
    const double before = worker.Metric("homeport_registry_retries_total{dependency=\"postgres\"}");
    SharedServers().postgres.Freeze();
    CHECK(Eventually([&] {
      return worker.Metric("homeport_registry_retries_total{dependency=\"postgres\"}") > before;
    }));
    load.Await(5);
    SharedServers().postgres.Thaw();
  }
  load.Await(20);
  load.Stop();
  CheckExact(world, load.rounds());
}

TEST_CASE("both are killed under two pods that hand partitions over") {
  World world;
  TestWorker first(world, {.pod = "registry-1", .wanted = {0, 1, 2}, .lease_ms = 1'000});
  TestWorker second(world, {.pod = "registry-2", .wanted = {3}, .lease_ms = 1'000});
  Load load(world);
  load.Await(10);
  SharedServers().postgres.Kill();
  first.wanted().Publish({0});
  second.wanted().Publish({1, 2, 3});
  SharedServers().redis.Kill();
  SharedServers().postgres.Start();
  SharedServers().redis.Start();
  load.Await(10);
  first.wanted().Publish({2, 3});
  second.wanted().Publish({0, 1});
  load.Await(30);
  load.Stop();
  CheckExact(world, load.rounds());
}

TEST_CASE("sessions of the database are cut again and again") {
  World world;
  TestWorker worker(world);
  Load load(world);
  for (int i = 0; i < 25; ++i) {
    load.Await(2);
    world.Run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  }
  load.Stop();
  CheckExact(world, load.rounds());
}

}  // namespace
}  // namespace homeport::registry::testing
