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

// Claims of a pod on a private Redis.
struct World {
  PrivateRedis redis;
  metrics::Registry registry;
  ShardProbe probe{registry};
  ReactorThread loop;
  redis::Client client;
  Ownership ownership;

  explicit World(int64_t window_ms)
      : client(loop.reactor(), {redis.address(), "test", 200},
               [this](bool connected) {
                 if (connected) ownership.OnConnected();
               }),
        ownership(loop.reactor(), client, probe, PodId("pod-1"), window_ms) {
    loop.Do([this] { client.Start(); });
    REQUIRE(Eventually([this] { return loop.Do([this] { return client.connected(); }); }));
  }
  ~World() {
    loop.Do([this] { client.Stop(); });
    loop.Stop();
  }

  // The answer to a claim of the device's main session.
  Claim Acquire(const std::string& device, uint32_t session, const SessionWish& wish = {}) {
    std::optional<absl::StatusOr<Claim>> claim;
    loop.Do([&] {
      ownership.Acquire(Named(device), Handle(session), wish,
                        [&](const auto& answer) { claim = answer; });
    });
    REQUIRE(Eventually([&] { return loop.Do([&] { return claim.has_value(); }); }));
    REQUIRE(claim->ok());
    return **claim;
  }
  void Release(const std::string& device, uint32_t session) {
    loop.Do([&] { ownership.Release(Named(device), Handle(session)); });
  }
  static SessionHandle Handle(uint32_t session) { return SessionHandle::FromPacked(session); }
};

TEST_CASE("claims of which a frozen Redis says nothing are refused, and taken back later") {
  World world(0);
  PrivateRedis& redis = world.redis;
  ReactorThread& loop = world.loop;

  int refused = 0, granted = 0;
  // As in ConnectFlow: the end of one turn begins the next.
  const auto claim = [&](const std::string& device, auto next) {
    world.ownership.Acquire(Named(device), SessionHandle{}, {}, [&, next](const auto& answer) {
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
}

TEST_CASE("a claim tells of the session that it ends, and of none that was released before it") {
  World world(60'000);  // a release waits for the next claim, but for the first
  const uint64_t first = world.Acquire("lamp-1", 1).epoch;
  const Claim second = world.Acquire("lamp-1", 2);
  REQUIRE(second.former.has_value());
  CHECK(second.epoch == first + 1);
  CHECK(second.former->pod == "pod-1");
  CHECK(second.former->session == 1);
  CHECK(second.former->epoch == first);

  world.Release("lamp-1", 2);
  CHECK(world.Acquire("lamp-2", 3).epoch >= first);
  world.Release("lamp-2", 3);
  CHECK_FALSE(world.loop.Do([&] { return world.ownership.idle(); }));
  const Claim third = world.Acquire("lamp-1", 4);
  CHECK_FALSE(third.former.has_value());
  CHECK(third.epoch == first + 2);
  CHECK_FALSE(third.kept.has_value());
  CHECK(Eventually([&] { return world.loop.Do([&] { return world.ownership.idle(); }); }));
  CHECK_FALSE(world.Acquire("lamp-2", 5).former.has_value());
}

TEST_CASE("what is kept of a session is found by who does not want one kept") {
  World world(0);
  const uint64_t first = world.Acquire("lamp-1", 1, {.clean_start = true, .expiry_s = 60}).epoch;
  world.Release("lamp-1", 1);
  const Claim second = world.Acquire("lamp-1", 2, {.clean_start = true, .expiry_s = 0});
  CHECK(second.epoch == first + 1);
  REQUIRE(second.kept.has_value());
  REQUIRE(second.kept->owner.has_value());
  CHECK(second.kept->owner->session == 1);
}

TEST_CASE("what a claim did whose answer was lost is told once Redis answers again") {
  World world(0);
  SessionWish kept;
  kept.expiry_s = 60;
  const Claim first = world.Acquire("lamp", 7, kept);
  // Whatever else is to be answered comes before that: a Redis that finds the connection broken
  // when it answers reads nothing more of it, and would not do the claim.
  world.Acquire("other", 6);
  std::vector<absl::StatusOr<Claim>> answers;
  const auto answered = [&](size_t count) {
    return Eventually([&] { return world.loop.Do([&] { return answers.size() == count; }); });
  };
  const auto claim = [&](uint32_t session, bool clean) {
    world.loop.Do([&] {
      SessionWish wish = kept;
      wish.clean_start = clean;
      world.ownership.Acquire(Named("lamp"), World::Handle(session), wish,
                              [&](const auto& answer) { answers.push_back(answer); });
    });
  };
  world.redis.Freeze();
  claim(8, false);
  REQUIRE(answered(1));
  CHECK(absl::IsUnavailable(answers[0].status()));
  world.redis.Thaw();
  REQUIRE(answered(2));
  REQUIRE(answers[1].ok());
  CHECK(answers[1]->epoch > first.epoch);
  REQUIRE(answers[1]->former);
  CHECK(answers[1]->former->session == 7);
  REQUIRE(answers[1]->kept);
  REQUIRE(answers[1]->kept->owner);
  CHECK(answers[1]->kept->owner->session == 7);
  // Nothing is left of it but the epoch, and that there are kept sessions.
  CHECK(Eventually([&] { return world.loop.Do([&] { return world.ownership.idle(); }); }));
  redis_blocking::Client reader({.address = world.redis.address()});
  CHECK(reader.Call({"HLEN", routing::SessionKey("lamp")})->integer() == 2);
}

}  // namespace
}  // namespace homeport::gateway
