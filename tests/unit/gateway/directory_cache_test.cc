#include "services/gateway/identity/directory_cache.h"

#include <catch2/catch.hpp>
#include <set>

namespace homeport::gateway {
namespace {

using Stored = DirectoryCache<int>::Stored;

class TestClock final : public Clock {
 public:
  [[nodiscard]] MonoMs Now() const override { return {now_ms}; }
  [[nodiscard]] WallMs Wall() const override { return {now_ms}; }
  int64_t now_ms = 1'000'000;
};

struct World {
  TestClock clock;
  DirectoryCache<int> cache{clock, {.ttl_ms = 60'000, .negative_ttl_ms = 10'000, .entries_max = 3}};
  std::vector<absl::StatusOr<int>> answers;

  bool Join(const std::string& name) {
    return cache.Join(name, [this](absl::StatusOr<int> answer) { answers.push_back(answer); });
  }
  void Fetch(const std::string& name, absl::StatusOr<int> answer) {
    REQUIRE(Join(name));
    cache.Store(name, std::move(answer));
  }
  bool Has(const char* name) { return cache.Find(name).has_value(); }
};

TEST_CASE("one fetch at a time, and all who asked get its answer") {
  World world;
  CHECK(world.Join("a"));
  CHECK_FALSE(world.Join("a"));
  CHECK(world.Join("b"));
  CHECK_FALSE(world.Has("a"));
  world.cache.Store("a", 7);
  CHECK(world.answers == std::vector<absl::StatusOr<int>>{7, 7});
  CHECK(world.cache.Find("a") == absl::StatusOr<int>(7));
}

TEST_CASE("what is known is so beyond its time, until a change overtakes it") {
  World world;
  CHECK(world.cache.Known("a") == 0);
  world.Fetch("a", 7);
  world.Fetch("no", absl::NotFoundError(""));
  world.clock.now_ms += 600'000;
  CHECK_FALSE(world.Has("a"));
  CHECK(world.cache.Known("a") == 7);
  CHECK(world.Join("a"));
  CHECK(world.cache.Known("a") == 7);
  CHECK(world.cache.Known("no") == 0);
  world.cache.Forget("a");
  CHECK(world.cache.Known("a") == 0);
}

TEST_CASE("answers expire with jitter, negative ones sooner") {
  World world;
  world.Fetch("yes", 1);
  world.Fetch("no", absl::NotFoundError(""));
  CHECK(absl::IsNotFound(world.cache.Find("no")->status()));
  world.clock.now_ms += 8'900;
  CHECK(world.Has("no"));
  world.clock.now_ms += 2'200;
  CHECK_FALSE(world.Has("no"));
  CHECK(world.Has("yes"));
  world.clock.now_ms += 60'000;
  CHECK_FALSE(world.Has("yes"));

  std::set<int64_t> ends;
  for (int i = 0; i < 20; ++i) {
    World other;
    other.Fetch("a", 1);
    int64_t life = 0;
    for (; other.Has("a"); ++life) other.clock.now_ms += 500;
    CHECK(life >= 54 * 2);
    CHECK(life <= 66 * 2);
    ends.insert(life);
  }
  CHECK(ends.size() > 3);
}

TEST_CASE("a failure is not remembered, and an old answer takes its place") {
  World world;
  world.Fetch("a", absl::UnavailableError(""));
  CHECK_FALSE(world.Has("a"));
  CHECK(absl::IsUnavailable(world.answers.back().status()));
  world.Fetch("a", 5);
  world.clock.now_ms += 100'000;
  CHECK(world.Join("a"));
  CHECK(world.cache.Store("a", absl::UnavailableError("")) == Stored::kStale);
  CHECK(world.answers.back() == absl::StatusOr<int>(5));
  CHECK(world.Has("a"));
}

TEST_CASE("while nobody answers, old answers are used at once and one asker in 2 s tries again") {
  World world;
  world.Fetch("a", 5);
  world.Fetch("b", 6);
  world.clock.now_ms += 100'000;
  CHECK_FALSE(world.Has("a"));
  CHECK_FALSE(world.Has("b"));
  CHECK(world.Join("a"));
  CHECK(world.cache.Store("a", absl::DeadlineExceededError("")) == Stored::kStale);
  CHECK(world.cache.Find("b") == absl::StatusOr<int>(6));
  world.clock.now_ms += 2'000;
  CHECK_FALSE(world.Has("b"));
  CHECK(world.Has("b"));
  world.Fetch("b", 7);
  world.clock.now_ms += 3'000;
  CHECK_FALSE(world.Has("a"));
}

TEST_CASE("an error of one name says nothing of the others") {
  World world;
  world.Fetch("a", 5);
  world.Fetch("b", 6);
  world.clock.now_ms += 100'000;
  world.Fetch("a", absl::InternalError("its model is broken"));
  CHECK_FALSE(world.Has("b"));
}

TEST_CASE("names that do not exist push out each other, not those that do") {
  TestClock clock;
  DirectoryCache<int> cache(clock, {.entries_max = 100, .negatives_max = 10});
  const auto store = [&](const std::string& name, absl::StatusOr<int> answer) {
    REQUIRE(cache.Join(name, [](const absl::StatusOr<int>&) {}));
    cache.Store(name, std::move(answer));
  };
  for (int i = 0; i < 50; ++i) store("known-" + std::to_string(i), i);
  for (int i = 0; i < 500; ++i) store("guess-" + std::to_string(i), absl::NotFoundError(""));
  for (int i = 0; i < 500; ++i) store("lost-" + std::to_string(i), absl::UnavailableError(""));
  int known = 0;
  int guesses = 0;
  for (int i = 0; i < 50; ++i) known += cache.Find("known-" + std::to_string(i)) ? 1 : 0;
  for (int i = 0; i < 500; ++i) guesses += cache.Find("guess-" + std::to_string(i)) ? 1 : 0;
  CHECK(known == 50);
  CHECK(guesses == 10);
}

TEST_CASE("what is forgotten is not used again, not even as an old answer") {
  World world;
  world.Fetch("a", 5);
  world.cache.Forget("a");
  CHECK_FALSE(world.Has("a"));
  CHECK(world.Join("a"));
  CHECK(world.cache.Store("a", absl::UnavailableError("")) == Stored::kAsFetched);
  CHECK(absl::IsUnavailable(world.answers.back().status()));
}

TEST_CASE("an answer that was overtaken by a change is nobody's: it is asked for again") {
  World world;
  CHECK(world.Join("a"));
  world.cache.Forget("a");
  CHECK(world.cache.Store("a", 5) == Stored::kAskAgain);
  CHECK(world.answers.empty());
  CHECK_FALSE(world.Has("a"));
  CHECK_FALSE(world.Join("a"));  // which waits for the second answer too
  CHECK(world.cache.Store("a", 7) == Stored::kAsFetched);
  CHECK(world.answers == std::vector<absl::StatusOr<int>>{7, 7});
}

TEST_CASE("a name that changes all the time is given up") {
  World world;
  CHECK(world.Join("a"));
  int asks = 0;
  do {
    world.cache.Forget("a");
    ++asks;
  } while (world.cache.Store("a", asks) == Stored::kAskAgain);
  CHECK(asks == 4);
  CHECK(absl::IsUnavailable(world.answers.back().status()));
  CHECK_FALSE(world.Has("a"));
  world.Fetch("a", 6);
  CHECK(world.answers.back() == absl::StatusOr<int>(6));
}

TEST_CASE("some are forgotten by what they say") {
  World world;
  world.Fetch("one", 1);
  world.Fetch("two", 2);
  world.cache.ForgetIf([](const absl::StatusOr<int>& answer) { return answer.value_or(0) == 2; });
  CHECK(world.Has("one"));
  CHECK_FALSE(world.Has("two"));
}

TEST_CASE("the cache is bounded; what is being fetched stays") {
  World world;
  CHECK(world.Join("open"));
  for (const char* name : {"a", "b", "c", "d", "e"}) world.Fetch(name, 1);
  int known = 0;
  for (const char* name : {"a", "b", "c", "d", "e"}) known += world.Has(name) ? 1 : 0;
  CHECK(known == 2);
  CHECK_FALSE(world.Join("open"));
}

TEST_CASE("a full cache keeps most of what came last") {
  constexpr size_t kEntries = 1'000;
  TestClock clock;
  DirectoryCache<int> cache(clock, {.entries_max = kEntries});
  const auto fetch = [&](size_t number) {
    const std::string name = std::to_string(number);
    if (cache.Join(name, [](const absl::StatusOr<int>&) {})) cache.Store(name, 1);
  };
  for (size_t number = 0; number < 4 * kEntries; ++number) fetch(number);
  size_t kept = 0;
  for (size_t number = 4 * kEntries - kEntries / 4; number < 4 * kEntries; ++number) {
    kept += cache.Find(std::to_string(number)) ? 1 : 0;
  }
  CHECK(kept > kEntries / 5);  // of the last quarter, four fifths
}

}  // namespace
}  // namespace homeport::gateway
