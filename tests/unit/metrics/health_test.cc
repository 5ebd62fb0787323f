#include "libs/metrics/health.h"

#include <catch2/catch.hpp>

namespace homeport::metrics {
namespace {

constexpr int64_t kLimitMs = 30'000;

class TestClock final : public Clock {
 public:
  [[nodiscard]] MonoMs Now() const override { return now; }
  [[nodiscard]] WallMs Wall() const override { return {}; }
  MonoMs now{1'000'000};
};

struct World {
  TestClock clock;
  Heartbeat first, second;
  Health health;

  World() {
    health.WatchLoop("reactor 0", first, kLimitMs, clock);
    health.WatchLoop("reactor 1", second, kLimitMs, clock);
  }
  // As often as Kubernetes asks.
  void AskFor(int64_t ms) {
    for (int64_t passed = 0; passed < ms; passed += 5000) {
      clock.now = clock.now + 5000;
      first.Beat();
      static_cast<void>(health.live());
    }
  }
};

TEST_CASE("a loop that does not turn for longer than the limit is named") {
  World world;
  world.AskFor(kLimitMs);
  CHECK(world.health.live());
  world.AskFor(5000);
  CHECK_FALSE(world.health.live());
  CHECK_FALSE(world.health.ready());
  CHECK(world.health.LiveText() == "reactor 1: has not turned for 35000 ms\n");
  CHECK(world.health.ReadyText() == world.health.LiveText());
  world.second.Beat();
  CHECK(world.health.live());
  CHECK(world.health.LiveText() == "ok\n");
}

TEST_CASE("a process that stood still as a whole has time to go on") {
  World world;
  world.AskFor(kLimitMs / 2);
  world.clock.now = world.clock.now + 3'600'000;
  CHECK(world.health.live());  // both loops have slept as long
  world.clock.now = world.clock.now + 1000;
  world.first.Beat();
  CHECK(world.health.live());
  world.AskFor(10'000);
  CHECK_FALSE(world.health.live());  // the second one stood still before, and does so now
  CHECK(world.health.stuck_loops() == 1);
}

TEST_CASE("loops that are about to end are not watched") {
  World world;
  world.health.ForgetLoops();
  world.AskFor(2 * kLimitMs);
  CHECK(world.health.live());
}

}  // namespace
}  // namespace homeport::metrics
