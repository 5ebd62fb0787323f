#include "services/gateway/stream/bus.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

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

using Topics = std::vector<std::string>;

// A bus of one partition that is followed; what it tells is held on to.
struct World {
  PrivateRedis redis;
  redis_blocking::Client writer{{.address = redis.address()}};
  metrics::Registry registry;
  ShardProbe probe{registry};
  ReactorThread loop;
  std::vector<SharedMessage> told;
  std::function<void()> on_told;
  bool pressed = false;
  redis::Client client;
  Bus bus;

  explicit World(uint64_t cache_bytes)
      : client(loop.reactor(), {redis.address(), "test", 300},
               [this](bool connected) {
                 if (connected) bus.OnConnected();
               }),
        bus(
            loop.reactor(), client, {redis.address(), "bus", 3000}, probe, OptionsOf(), 1,
            cache_bytes, [](std::span<const OwedAck>) {},
            [this](uint32_t, const BusPlace&, const SharedMessage& message) {
              told.push_back(message);
              if (on_told) on_told();
            },
            [this] { return pressed; }) {
    loop.Do([this] {
      client.Start();
      bus.Start();
    });
    REQUIRE(Eventually([this] { return loop.Do([this] { return client.connected(); }); }));
    loop.Do([this] { bus.Follow(0, [](const absl::StatusOr<StreamPos>&) {}); });
    REQUIRE(Eventually([this] { return loop.Do([this] { return bus.IsFollowed(0); }); }));
  }
  ~World() {
    loop.Do([this] {
      bus.Stop();
      client.Stop();
    });
    loop.Stop();
  }
  static BatchAppender::Options OptionsOf() {
    BatchAppender::Options options;
    options.pod = PodId("pod-1");
    return options;
  }

  // Each in an entry of its own.
  void Publish(const std::string& topic) {
    const size_t before = loop.Do([&] { return told.size(); });
    Append(topic);
    REQUIRE(Eventually([&] { return loop.Do([&] { return told.size() > before; }); }));
  }
  void Append(const std::string& topic) {
    loop.Do([&] {
      BusMessage message;
      message.set_topic(topic);
      message.set_payload("the payload of " + topic);
      bus.Publish(message, {});
    });
  }
  static std::string TopicOf(const SharedMessage& message) {
    CHECK(message->payload() == "the payload of " + message->topic());
    return message->topic();
  }
  Topics Told() {
    return loop.Do([&] {
      Topics topics;
      for (const SharedMessage& message : told) topics.push_back(TopicOf(message));
      return topics;
    });
  }
  Topics Replay() {
    Topics topics;
    bool complete = false;
    loop.Do([&] {
      bus.Replay(
          0, {}, bus.position(0),
          [&](uint32_t, const BusPlace&, const SharedMessage& message) {
            topics.push_back(TopicOf(message));
          },
          [&](bool all) { complete = all; });
    });
    REQUIRE(Eventually([&] { return loop.Do([&] { return complete; }); }));
    return topics;
  }
};

TEST_CASE("what is held on to stays as it was when more is read") {
  World world(16 << 20);
  const Topics topics = {"first", "second", "third"};
  for (const std::string& topic : topics) world.Publish(topic);
  CHECK(world.Told() == topics);
  CHECK(world.Replay() == topics);
  CHECK(world.Told() == topics);
}

TEST_CASE("a replay shares what others hold on to") {
  World world(16 << 20);
  world.Publish("first");
  world.Publish("second");
  world.loop.Do([&] { world.told.erase(world.told.begin()); });
  std::vector<SharedMessage> held;
  for (int i = 0; i < 2; ++i) {
    world.loop.Do([&] {
      world.bus.Replay(
          0, {}, world.bus.position(0),
          [&](uint32_t, const BusPlace&, const SharedMessage& message) { held.push_back(message); },
          [](bool) {});
    });
  }
  REQUIRE(world.loop.Do([&] { return held.size(); }) == 4);
  CHECK(held[0]->topic() == "first");
  CHECK(held[0] == held[2]);
  CHECK(held[1] == held[3]);
  CHECK(held[1] == world.told[0]);
}

TEST_CASE("what the bus does not remember is replayed from the stream") {
  World world(1);
  const Topics topics = {"first", "second", "third"};
  for (const std::string& topic : topics) world.Publish(topic);
  CHECK(world.Replay() == topics);
}

TEST_CASE("a replay that begins while a message is told changes nothing for it") {
  World world(16 << 20);
  world.Publish("first");
  Topics seen;
  world.loop.Do([&] {
    world.on_told = [&] {
      const SharedMessage& message = world.told.back();
      world.bus.Replay(
          0, {}, world.bus.position(0),
          [&](uint32_t, const BusPlace&, const SharedMessage& again) {
            seen.push_back(World::TopicOf(again));
          },
          [](bool) {});
      seen.push_back(World::TopicOf(message));
    };
  });
  world.Publish("second");
  CHECK(world.loop.Do([&] { return seen; }) == Topics{"first", "second", "second"});
}

TEST_CASE("while too much waits for Redis, entries stay there, and come in order afterwards") {
  World world(16 << 20);
  world.Publish("first");
  world.loop.Do([&] { world.on_told = [&] { world.pressed = true; }; });
  const Topics later = {"second", "third", "fourth"};
  for (const std::string& topic : later) {
    world.Append(topic);
    const auto entries = [&] { return world.writer.Call({"XLEN", routing::BusKey(0)})->integer(); };
    const int64_t wanted = 2 + (&topic - later.data());
    REQUIRE(Eventually([&] { return entries() == wanted; }));
  }
  CHECK(Eventually([&] { return world.Told() == Topics{"first", "second"}; }));
  world.loop.Do([&] {
    world.on_told = nullptr;
    world.pressed = false;
  });
  CHECK(Eventually([&] { return world.Told() == Topics{"first", "second", "third", "fourth"}; }));
}

TEST_CASE("an entry that is no batch is skipped") {
  World world(16 << 20);
  world.Publish("first");
  for (const char* value : {"\xff\xff", ""}) {
    REQUIRE(world.writer.Call({"XADD", routing::BusKey(0), "*", "b", value}).ok());
  }
  world.Publish("second");
  CHECK(world.Told() == Topics{"first", "second"});
  CHECK(world.Replay() == Topics{"first", "second"});
}

}  // namespace
}  // namespace homeport::gateway
