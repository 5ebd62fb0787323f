#include "services/gateway/stream/outbox.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/metrics/registry.h"
#include "libs/redis_blocking/client.h"
#include "libs/routing/keys.h"
#include "tests/integration/gateway/reactor_thread.h"
#include "tests/support/private_servers.h"

namespace homeport::gateway {
namespace {

using testing::Eventually;
using testing::PrivateRedis;
using testing::ReactorThread;

internal::v1::InboxItem ItemOf(size_t bytes) {
  internal::v1::InboxItem item;
  item.mutable_deliver()->set_payload(std::string(bytes, 'x'));
  return item;
}

TEST_CASE("what awaits Redis's answer is bounded in bytes, and has room again after it") {
  constexpr size_t kItemBytes = 1 << 20;
  PrivateRedis server;
  redis_blocking::Client reader{{.address = server.address()}};
  REQUIRE(reader.Call({"XADD", routing::InboxKey("other"), "*", "x", "x"}).ok());
  metrics::Registry registry;
  ShardProbe probe{registry};
  ReactorThread loop;
  redis::Client client(loop.reactor(), {server.address(), "test", 3000}, [](bool) {});
  Outbox outbox(loop.reactor(), client, probe);
  const auto entries = [&] { return reader.Call({"XLEN", routing::InboxKey("other")})->integer(); };
  loop.Do([&] { client.Start(); });
  REQUIRE(Eventually([&] { return loop.Do([&] { return client.connected(); }); }));
  loop.Do([&] {
    for (int i = 0; i < 20; ++i) outbox.Add("other", ItemOf(kItemBytes));
  });
  CHECK(probe.outbox_dropped.value() == 5);  // 15 and their framing fit into 16 MiB
  CHECK(Eventually([&] { return entries() == 2; }));
  REQUIRE(Eventually([&] {
    loop.Do([&] { outbox.Add("other", ItemOf(15 * kItemBytes)); });
    return probe.outbox_dropped.value() == 5 || entries() > 2;
  }));
  CHECK(Eventually([&] { return entries() >= 3; }));
  loop.Do([&] { client.Stop(); });
  loop.Stop();
}

TEST_CASE("a kick that Redis refuses is sent again until it is taken, and nothing else is") {
  PrivateRedis server;
  redis_blocking::Client reader{{.address = server.address()}};
  const std::string key = routing::InboxKey("other");
  REQUIRE(reader.Call({"XADD", key, "1-1", "x", "x"}).ok());
  metrics::Registry registry;
  ShardProbe probe{registry};
  ReactorThread loop;
  redis::Client client(loop.reactor(), {server.address(), "test", 3000}, [](bool) {});
  Outbox outbox(loop.reactor(), client, probe);
  loop.Do([&] { client.Start(); });
  REQUIRE(Eventually([&] { return loop.Do([&] { return client.connected(); }); }));
  REQUIRE(reader.Call({"CONFIG", "SET", "maxmemory", "1"}).ok());
  loop.Do([&] {
    internal::v1::InboxItem kick;
    kick.mutable_kick()->set_epoch(7);
    outbox.Add("other", ItemOf(1));
    outbox.Add("other", std::move(kick));
  });
  REQUIRE(Eventually([&] { return probe.outbox_dropped.value() == 1; }));
  REQUIRE(reader.Call({"CONFIG", "SET", "maxmemory", "0"}).ok());
  REQUIRE(Eventually([&] { return reader.Call({"XLEN", key})->integer() == 2; }));
  const redis_blocking::Reply newest = *reader.Call({"XREVRANGE", key, "+", "-", "COUNT", "1"});
  internal::v1::InboxBatch batch;
  REQUIRE(batch.ParseFromString(std::string(newest[0][1][1].text())));
  REQUIRE(batch.items_size() == 1);
  CHECK(batch.items(0).kick().epoch() == 7);
  CHECK(probe.outbox_dropped.value() == 1);
  loop.Do([&] { client.Stop(); });
  loop.Stop();
}

}  // namespace
}  // namespace homeport::gateway
