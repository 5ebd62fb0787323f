#include "libs/net/timer_wheel.h"

#include <catch2/catch.hpp>
#include <vector>

namespace homeport::net {
namespace {

std::vector<uint32_t> Fired(TimerWheel& wheel, int64_t now) {
  std::vector<uint32_t> fired;
  wheel.Advance(now, [&](TimerWheel::Entry entry) { fired.push_back(entry.index); });
  return fired;
}

TEST_CASE("entries fire in their second, not before") {
  TimerWheel wheel(100);
  wheel.Add(103, {1, 0});
  wheel.Add(101, {2, 0});
  CHECK(Fired(wheel, 100).empty());
  CHECK(Fired(wheel, 101) == std::vector<uint32_t>{2});
  CHECK(Fired(wheel, 102).empty());
  CHECK(Fired(wheel, 103) == std::vector<uint32_t>{1});
}

TEST_CASE("a deadline that has passed fires with the next second") {
  TimerWheel wheel(100);
  wheel.Add(50, {1, 0});
  CHECK(Fired(wheel, 101) == std::vector<uint32_t>{1});
}

TEST_CASE("a deadline beyond the wheel fires early, to be put back by its owner") {
  TimerWheel wheel(0);
  wheel.Add(5000, {1, 0});
  CHECK(Fired(wheel, static_cast<int64_t>(TimerWheel::kBuckets) - 2).empty());
  CHECK(Fired(wheel, static_cast<int64_t>(TimerWheel::kBuckets) - 1) == std::vector<uint32_t>{1});
}

TEST_CASE("a sleep over many seconds fires everything due, once") {
  TimerWheel wheel(0);
  for (uint32_t i = 1; i <= 10; ++i) wheel.Add(i, {i, 0});
  CHECK(Fired(wheel, 10).size() == 10);
  CHECK(Fired(wheel, 2000).empty());
}

TEST_CASE("an entry put back while firing fires at its new time") {
  TimerWheel wheel(0);
  wheel.Add(1, {7, 0});
  int fired = 0;
  for (int64_t now = 1; now <= 10; ++now) {
    wheel.Advance(now, [&](TimerWheel::Entry entry) {
      ++fired;
      if (now < 9) wheel.Add(now + 4, entry);
    });
  }
  CHECK(fired == 3);  // at 1, 5 and 9
}

}  // namespace
}  // namespace homeport::net
