#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "services/gateway/inspect/heavy_hitters.h"
#include "services/gateway/inspect/traffic_meter.h"

namespace homeport::gateway {
namespace {

TEST_CASE("as long as there is room, every key is told exactly") {
  HeavyHitters hitters(100);
  std::mt19937_64 random(1);
  std::map<uint64_t, Traffic> wanted;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t key = (random() % 100) << 32 | 7;
    const uint64_t bytes = random() % 1000;
    Traffic& traffic = hitters.Touch(key, bytes);
    ++traffic.messages_from_client;
    traffic.bytes_from_client += bytes;
    ++wanted[key].messages_from_client;
    wanted[key].bytes_from_client += bytes;
  }
  CHECK(hitters.size() == wanted.size());
  for (const auto& [key, traffic] : wanted) {
    REQUIRE(hitters.Find(key) != nullptr);
    CHECK(*hitters.Find(key) == traffic);
  }
  CHECK(hitters.Find(3) == nullptr);
}

TEST_CASE("heavy keys are found among many light ones, and never told more than they had") {
  constexpr uint32_t kCapacity = 64;
  HeavyHitters hitters(kCapacity);
  std::mt19937_64 random(2);
  std::map<uint64_t, uint64_t> wanted;
  uint64_t total = 0;
  for (int i = 0; i < 200'000; ++i) {
    // A quarter of all goes to 8 keys, the rest to 100,000.
    const uint64_t key = random() % 4 == 0 ? random() % 8 : 8 + random() % 100'000;
    ++hitters.Touch(key, 1).messages_to_client;
    ++wanted[key];
    ++total;
  }
  CHECK(hitters.size() == kCapacity);
  for (const auto& [key, weight] : wanted) {
    const Traffic* found = hitters.Find(key);
    if (weight > total / kCapacity) REQUIRE(found != nullptr);
    if (found != nullptr) CHECK(found->messages() <= weight);
  }
  for (uint64_t key = 0; key < 8; ++key) {
    INFO(key);
    CHECK(hitters.Find(key)->messages() > wanted[key] * 9 / 10);
  }
}

TEST_CASE("keys that come and go leave the index whole") {
  HeavyHitters hitters(4);
  for (uint64_t key = 1; key <= 10'000; ++key) {
    static_cast<void>(hitters.Touch(key, 1));
    size_t found = 0;
    hitters.ForEach(
        [&](uint64_t there, const Traffic&) { found += hitters.Find(there) != nullptr ? 1 : 0; });
    REQUIRE(found == hitters.size());
    REQUIRE(hitters.Find(key) != nullptr);
  }
  hitters.Clear();
  CHECK(hitters.size() == 0);
  CHECK(hitters.Find(10'000) == nullptr);
}

TEST_CASE("a sketch of one key holds the last one") {
  HeavyHitters hitters(1);
  static_cast<void>(hitters.Touch(1, 5));
  static_cast<void>(hitters.Touch(2, 1));
  CHECK(hitters.Find(1) == nullptr);
  CHECK(hitters.Find(2) != nullptr);
}

TEST_CASE("traffic is told over the window and the one before") {
  TrafficMeter meter(MonoMs{1000}, {.sessions = 8, .window_ms = 100});
  const SessionHandle a{1, 1}, b{2, 1};
  meter.FromClient(a, 10);
  meter.ToClient(a, 5);
  meter.Tick(MonoMs{1099});
  CHECK(meter.period_ms(MonoMs{1099}) == 99);
  CHECK(meter.Of(a) == Traffic{1, 1, 10, 5});
  meter.Tick(MonoMs{1100});
  meter.FromClient(a, 1);
  meter.FromClient(b, 2);
  CHECK(meter.period_ms(MonoMs{1150}) == 150);
  CHECK(meter.Of(a) == Traffic{2, 1, 11, 5});
  CHECK(meter.All().size() == 2);
  meter.Tick(MonoMs{1200});
  CHECK(meter.Of(a) == Traffic{1, 0, 1, 0});
  CHECK(meter.period_ms(MonoMs{1200}) == 100);
  meter.Tick(MonoMs{1300});
  CHECK(meter.All().empty());
}

}  // namespace
}  // namespace homeport::gateway
