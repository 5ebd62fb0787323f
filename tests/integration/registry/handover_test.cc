#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "services/registry/membership.h"
#include "tests/integration/registry/world.h"

// Two registry pods over the same partitions.
namespace homeport::registry::testing {
namespace {

const std::string kVersions = "SELECT coalesce(sum(version), 0) FROM shadow";
const std::string kOwners = "SELECT string_agg(owner, ' ' ORDER BY partition) FROM stream_offset";

std::vector<std::string> SomeDevices() {
  std::vector<std::string> devices;
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    for (std::string& device : DevicesOf(partition, 5)) devices.push_back(std::move(device));
  }
  return devices;
}

TEST_CASE("partitions move from one pod to another and back without loss or repeat") {
  World world;
  Gateway gateway(world);
  const std::vector<std::string> devices = SomeDevices();
  for (const std::string& device : devices) gateway.Append({Connected(device)});
  TestWorker first(world, {.pod = "registry-1"});
  TestWorker second(world, {.pod = "registry-2", .wanted = {}});
  int rounds = 0;
  const auto report = [&] {
    ++rounds;
    for (const std::string& device : devices) gateway.Append({Brightness(device, rounds)});
  };
  const std::vector<std::pair<std::set<uint32_t>, const char*>> shares = {
      {{0, 1, 2, 3}, "registry-1 registry-1 registry-1 registry-1"},
      {{0, 2}, "registry-1 registry-2 registry-1 registry-2"},
      {{}, "registry-2 registry-2 registry-2 registry-2"},
      {{1}, "registry-2 registry-1 registry-2 registry-2"}};
  for (const auto& share : shares) {
    std::set<uint32_t> rest;
    for (uint32_t p = 0; p < kPartitions; ++p) {
      if (!share.first.contains(p)) rest.insert(p);
    }
    report();
    first.wanted().Publish(share.first);
    second.wanted().Publish(rest);
    report();
    CHECK(world.Becomes(kOwners, share.second));
    report();
  }
  CHECK(world.Becomes(kVersions, std::to_string(rounds * static_cast<int>(devices.size()))));
  CHECK(world.Sql("SELECT count(DISTINCT state) FROM shadow") == "1");
  CHECK(world.Sql("SELECT count(*) FROM shadow WHERE version <> " + std::to_string(rounds)) == "0");
  CHECK(first.Metric("homeport_registry_fenced_total") == 0);
}

TEST_CASE("a pod that lost its partitions unawares changes nothing more") {
  World world;
  Gateway gateway(world);
  const std::string device = DevicesOf(0, 1)[0];
  TestWorker first(world, {.pod = "registry-1"});
  gateway.Append({Connected(device), Brightness(device, 1)});
  CHECK(world.Becomes(kVersions, "1"));
  // As if the pod had been paused for longer than its lease and another had taken over.
  world.Run(
      "UPDATE stream_offset SET owner = 'registry-2', fence = fence + 1,"
      " lease_until = now() + interval '1 hour'");
  gateway.Append({Brightness(device, 2)});
  CHECK(Eventually([&] { return first.Metric("homeport_registry_fenced_total") >= 1; }));
  CHECK(world.Sql(kVersions) == "1");
  world.Run("UPDATE stream_offset SET lease_until = now() - interval '1 hour'");
  TestWorker second(world, {.pod = "registry-2"});
  first.wanted().Publish({});
  CHECK(world.Becomes(kVersions, "2"));
}

TEST_CASE("downlinks of a commit whose pod died before sending them are sent by the next owner") {
  World world;
  Gateway gateway(world);
  const std::string device = DevicesOf(1, 1)[0];
  {
    // A pod that commits and then dies: its lease in the table is left behind.
    metrics::Registry metrics;
    WorkerProbe probe(metrics, 0);
    Catalog catalog(SystemClock());
    const PartitionTable table("registry-1", 1'000);
    Committer committer({.clock = SystemClock(),
                         .catalog = catalog,
                         .table = table,
                         .probe = probe,
                         .limits = {},
                         .partitions = kPartitions,
                         .devices_max = 10});
    postgres::ConnectOptions options = world.postgres();
    auto connection = postgres::Connection::Open(options);
    REQUIRE(connection.ok());
    auto rows = table.Acquire(**connection, {1});
    REQUIRE(rows.ok());
    OwnedPartitions owned;
    owned[1] = {.key = {1, rows->front().fence},
                .generation = rows->front().generation,
                .last_id = {},
                .producers = {}};
    gateway.Append(
        {Connected(device), ShadowUpdate(device, R"({"state":{"desired":{"on":true}}})")});
    redis_blocking::Client redis(world.redis());
    UplinkReader reader;
    reader.Follow(1, {});
    REQUIRE(reader.Send(redis, 1000).ok());
    REQUIRE(reader.Receive(redis).ok());
    Batch batch;
    batch.Fill(reader, {});
    size_t applied = 0;
    Downlinks downlinks;
    REQUIRE(committer.Commit(**connection, batch, owned, &applied, &downlinks).ok());
    CHECK_FALSE(downlinks.empty());
  }
  CHECK(gateway.Inbox().empty());
  TestWorker worker(world, {.pod = "registry-2"});
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(3);
  CHECK(inbox[0].deliver().topic() == fmt::format("$aws/things/{}/shadow/update/delta", device));
  CHECK(world.Sql(kVersions) == "1");
}

TEST_CASE("members share the partitions, and the last one takes all") {
  World world;
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  const auto options = [&](const char* pod) {
    return MembershipOptions{
        .pod = pod, .partitions = 64, .lease_ms = 2'000, .postgres = world.postgres()};
  };
  Membership first(options("registry-1"), probe);
  Membership second(options("registry-2"), probe);
  first.Start();
  CHECK(Eventually([&] { return first.wanted().Get().size() == 64; }));
  second.Start();
  CHECK(Eventually([&] {
    const size_t mine = first.wanted().Get().size();
    return mine > 16 && mine < 48 && mine + second.wanted().Get().size() == 64;
  }));
  second.Stop();
  CHECK(second.wanted().Get().empty());
  CHECK(Eventually([&] { return first.wanted().Get().size() == 64; }));
}

}  // namespace
}  // namespace homeport::registry::testing
