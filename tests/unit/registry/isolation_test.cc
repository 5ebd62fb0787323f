#include "services/registry/stream/isolation.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

namespace homeport::registry {
namespace {

// Plays a database that refuses any transaction with one of `bad` in it; returns what is skipped
// when the whole passes, and counts the transactions.
std::vector<size_t> Play(size_t messages, const std::set<size_t>& bad, int* tries) {
  Isolation isolation({1, 0}, messages);
  while (!isolation.IsHopeless()) {
    REQUIRE(++*tries < 10'000);
    const std::vector<size_t>& skipped = isolation.skipped();
    const bool fails = std::any_of(bad.begin(), bad.end(), [&](size_t message) {
      return message < isolation.end() &&
             std::find(skipped.begin(), skipped.end(), message) == skipped.end();
    });
    if (fails) {
      isolation.Failed();
    } else if (isolation.IsWhole()) {
      return skipped;
    } else {
      isolation.Passed();
    }
  }
  return {};
}

TEST_CASE("exactly the bad messages are found, in the order of the entry") {
  struct Row {
    size_t messages;
    std::set<size_t> bad;
    int tries_max;
  };
  const Row rows[] = {{1, {0}, 1},      {2, {0}, 2},      {2, {1}, 2},
                      {512, {0}, 11},   {512, {511}, 11}, {512, {17, 18, 400}, 32},
                      {3, {0, 1, 2}, 7}};
  for (const Row& row : rows) {
    INFO(row.messages << " messages, the first bad one is " << *row.bad.begin());
    int tries = 0;
    CHECK(Play(row.messages, row.bad, &tries) ==
          std::vector<size_t>(row.bad.begin(), row.bad.end()));
    CHECK(tries <= row.tries_max);
  }
}

TEST_CASE("an entry that fails without its messages is hopeless") {
  CHECK(Isolation({1, 0}, 0).IsHopeless());
  Isolation isolation({1, 0}, 1);
  CHECK(isolation.skipped() == std::vector<size_t>{0});
  CHECK(isolation.IsWhole());
  isolation.Failed();
  CHECK(isolation.IsHopeless());
}

}  // namespace
}  // namespace homeport::registry
