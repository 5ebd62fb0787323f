#include <catch2/catch.hpp>

#include "libs/routing/keys.h"
#include "services/registry/pod_sweeper.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

constexpr int64_t kLeaseMs = 400;

TEST_CASE("the sessions of a dead pod end, those of live pods stay") {
  World world;
  Gateway dead(world, "gateway-1");
  Gateway alive(world, "gateway-2");
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  TestWorker worker(world);
  dead.Append({Connected("lamp-1")});
  alive.Append({Connected("lamp-2")});
  alive.Append({[] {
    UplinkMessage watch = Message(UplinkMessage::KIND_WATCH, "lamp-1");
    watch.set_epoch(0);
    return watch;
  }()});
  CHECK(world.Becomes("SELECT count(*) FROM device WHERE online", "2"));
  CHECK(alive.AwaitInbox(1).size() == 1);

  world.Redis({"HSET", routing::SessionKey("lamp-1"), "e", "1", "gateway-1 7", "1",
               "gateway-2 9 tool", "2"});
  world.Redis({"HSET", routing::SessionKey("lamp-2"), "e", "1", "gateway-2 7", "1"});
  world.Redis({"XADD", routing::InboxKey("gateway-1"), "*", "b", ""});
  dead.LoseLease();
  PodSweeper sweeper({.lease_ms = kLeaseMs, .postgres = world.postgres(), .redis = world.redis()},
                     SystemClock(), probe);
  sweeper.Start();
  CHECK(Eventually([&] { return sweeper.dead_pods().Get().contains("gateway-1"); }));
  worker.dead_pods().Publish(sweeper.dead_pods().Get());

  CHECK(world.Becomes("SELECT string_agg(id, ' ') FROM device WHERE online", "lamp-2"));
  CHECK(world.Sql("SELECT count(*) FROM device_session") == "1");
  const std::vector<InboxItem> inbox = alive.AwaitInbox(2);
  CHECK(inbox[1].change().kind() == internal::v1::DeviceChange::KIND_PRESENCE);
  CHECK_FALSE(inbox[1].change().online());
  CHECK(worker.Counts("homeport_registry_sessions_swept_total", 1));

  CHECK(Eventually([&] {
    return world.Redis({"HEXISTS", routing::SessionKey("lamp-1"), "gateway-1 7"}) == "0";
  }));
  CHECK(world.Redis({"HGET", routing::SessionKey("lamp-1"), "e"}) == "1");
  CHECK(world.Redis({"HGET", routing::SessionKey("lamp-1"), "gateway-2 9 tool"}) == "2");
  CHECK(world.Redis({"HGET", routing::SessionKey("lamp-2"), "gateway-2 7"}) == "1");
  CHECK(Eventually([&] { return world.Redis({"EXISTS", routing::InboxKey("gateway-1")}) == "0"; }));
}

TEST_CASE("what a pod announces as it is taken for dead stays") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world, {.pod_lease_ms = 60'000});
  UplinkMessage older = Connected("lamp-1");
  older.set_received_ms(older.received_ms() - 120'000);
  gateway.Append({older});
  gateway.Append({Connected("lamp-2")});
  CHECK(world.Becomes("SELECT count(*) FROM device WHERE online", "2"));
  worker.dead_pods().Publish({gateway.pod()});
  CHECK(worker.Counts("homeport_registry_sessions_swept_total", 1));
  CHECK(world.Sql("SELECT string_agg(id, ' ') FROM device WHERE online") == "lamp-2");
}

TEST_CASE("a pod that renews its lease in time is not dead") {
  World world;
  Gateway gateway(world);
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  TestWorker worker(world);
  gateway.Append({Connected("lamp-1")});
  CHECK(world.Becomes("SELECT count(*) FROM device_session", "1"));
  PodSweeper sweeper({.lease_ms = kLeaseMs, .postgres = world.postgres(), .redis = world.redis()},
                     SystemClock(), probe);
  gateway.LoseLease();
  sweeper.Start();
  gateway.RenewLease();
  Gateway other(world, "gateway-2");
  other.Append({Connected("lamp-2")});
  CHECK(world.Becomes("SELECT count(*) FROM device_session", "2"));
  other.LoseLease();
  CHECK(
      Eventually([&] { return sweeper.dead_pods().Get() == std::set<std::string>{"gateway-2"}; }));
}

}  // namespace
}  // namespace homeport::registry::testing
