#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "libs/redis_blocking/client.h"
#include "libs/routing/keys.h"
#include "services/gateway/ownership/receipts.h"
#include "tests/integration/gateway/reactor_thread.h"
#include "tests/support/private_servers.h"

namespace homeport::gateway {
namespace {

using testing::Eventually;
using testing::PrivateRedis;
using testing::ReactorThread;

constexpr uint32_t kUplinkPartitions = 2;
constexpr uint32_t kBusPartitions = 1;
constexpr char kPod[] = "pod-1";

// A reader of receipts on a private Redis.
struct World {
  PrivateRedis redis;
  redis_blocking::Client writer{{.address = redis.address()}};
  ReactorThread loop;
  redis::Client client;
  Receipts receipts;
  std::vector<size_t> found;  // clients, of each answer
  int failed = 0;

  World()
      : client(loop.reactor(), {redis.address(), "test", 300}, [](bool) {}),
        receipts(loop.reactor(), client, kUplinkPartitions, kBusPartitions) {
    loop.Do([this] { client.Start(); });
    REQUIRE(Connects());
  }
  ~World() {
    loop.Do([this] { client.Stop(); });
    loop.Stop();
  }

  bool Connects() {
    return Eventually([this] { return loop.Do([this] { return client.connected(); }); });
  }
  void Leave(const std::string& key, const std::string& device) {
    Identity identity;
    identity.device = device;
    const std::string receipt = MakeReceipt(identity, 1, {7, 1});
    REQUIRE(writer.Call({"RPUSH", key, receipt}).ok());
  }
  void Ask() {
    receipts.Read(kPod, [this](const PodReceipts* read) {
      if (read == nullptr) {
        ++failed;
      } else {
        found.push_back(read->size());
      }
    });
  }
  bool Answered(size_t count) {
    return Eventually([&] { return loop.Do([&] { return found.size() + failed == count; }); });
  }
  // How often Redis was asked for lists.
  size_t Lists() {
    const auto reply = writer.Call({"INFO", "commandstats"});
    REQUIRE(reply.ok());
    const std::string text(reply->text());
    const std::string name = "cmdstat_lrange:calls=";
    const size_t at = text.find(name);
    return at == std::string::npos ? 0 : std::stoul(text.substr(at + name.size()));
  }
};

TEST_CASE("all who ask for a pod's receipts in a moment share one reading of every partition") {
  World world;
  world.Leave(routing::UplinkReceiptsKey(0, kPod), "a");
  world.Leave(routing::UplinkReceiptsKey(1, kPod), "b");
  world.Leave(routing::BusReceiptsKey(0, kPod), "c");
  world.loop.Do([&] {
    for (int i = 0; i < 3; ++i) world.Ask();
  });
  REQUIRE(world.Answered(3));
  CHECK(world.found == std::vector<size_t>(3, 3));
  CHECK(world.Lists() == kUplinkPartitions + kBusPartitions);
  // Who asks later sees what came later.
  world.Leave(routing::UplinkReceiptsKey(0, kPod), "d");
  world.loop.Do([&] { world.Ask(); });
  REQUIRE(world.Answered(4));
  CHECK(world.found.back() == 4);
}

TEST_CASE("who asks for receipts is told that Redis does not answer, and may ask again") {
  World world;
  world.Leave(routing::UplinkReceiptsKey(0, kPod), "a");
  world.redis.Freeze();
  world.loop.Do([&] { world.Ask(); });
  REQUIRE(world.Answered(1));
  CHECK(world.failed == 1);
  world.redis.Thaw();
  REQUIRE(world.Connects());
  world.loop.Do([&] { world.Ask(); });
  REQUIRE(world.Answered(2));
  CHECK(world.found == std::vector<size_t>{1});
}

}  // namespace
}  // namespace homeport::gateway
