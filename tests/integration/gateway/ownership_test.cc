#include "services/gateway/ownership/ownership.h"

#include <catch2/catch.hpp>

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

Identity Named(const std::string& device) {
  Identity identity;
  identity.device = device;
  identity.client = device;
  return identity;
}

TEST_CASE("claims of which a frozen Redis says nothing are refused, and taken back later") {
  PrivateRedis redis;
  metrics::Registry registry;
  ShardProbe probe(registry);
  ReactorThread loop;
  Ownership* ownership = nullptr;
  redis::Client client(loop.reactor(), {redis.address(), "test", 200}, [&](bool connected) {
    if (connected) ownership->OnConnected();
  });
  Ownership owner(client, probe, PodId("pod-1"));
  ownership = &owner;
  loop.Do([&] { client.Start(); });
  REQUIRE(Eventually([&] { return loop.Do([&] { return client.connected(); }); }));

  int refused = 0, granted = 0;
  // As in ConnectFlow: the end of one turn begins the next.
  const auto claim = [&](const std::string& device, auto next) {
    ownership->Acquire(Named(device), SessionHandle{}, {}, [&, next](const auto& answer) {
      refused += absl::IsUnavailable(answer.status());
      granted += answer.ok();
      next();
    });
  };
  loop.Do([&] { claim("lamp-0", [] {}); });
  REQUIRE(Eventually([&] { return loop.Do([&] { return granted == 1; }); }));
  redis.Freeze();
  loop.Do([&] {
    claim("lamp-1", [&] { claim("lamp-3", [] {}); });
    claim("lamp-2", [] {});
  });
  CHECK(Eventually([&] { return loop.Do([&] { return refused == 3; }); }));
  redis.Thaw();

  redis_blocking::Client reader({.address = redis.address()});
  CHECK(Eventually([&] {
    for (const std::string device : {"lamp-1", "lamp-2"}) {
      const auto fields = reader.Call({"HLEN", routing::SessionKey(device)});
      if (!fields.ok() || fields->integer() != 1) return false;  // nothing but the epoch counter
    }
    return true;
  }));
  loop.Do([&] { client.Stop(); });
  loop.Stop();
}

}  // namespace
}  // namespace homeport::gateway
