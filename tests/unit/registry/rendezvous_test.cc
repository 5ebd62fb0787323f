#include "services/registry/core/rendezvous.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>

namespace homeport::registry {
namespace {

constexpr uint32_t kPartitions = 64;

TEST_CASE("the members share all partitions, none twice") {
  const std::vector<std::string> members = {"a", "b", "c"};
  size_t total = 0;
  std::set<uint32_t> all;
  for (const std::string& member : members) {
    const auto share = PartitionsOf(member, members, kPartitions);
    CHECK(share.size() > kPartitions / 6);
    total += share.size();
    all.insert(share.begin(), share.end());
  }
  CHECK(total == kPartitions);
  CHECK(all.size() == kPartitions);
}

TEST_CASE("a member that leaves gives only its own share away") {
  const auto with = PartitionsOf("a", {"a", "b", "c"}, kPartitions);
  const auto without = PartitionsOf("a", {"a", "b"}, kPartitions);
  CHECK(std::includes(without.begin(), without.end(), with.begin(), with.end()));
}

TEST_CASE("the order of members does not matter, and strangers get nothing") {
  CHECK(PartitionsOf("a", {"a", "b"}, kPartitions) == PartitionsOf("a", {"b", "a"}, kPartitions));
  CHECK(PartitionsOf("x", {"a", "b"}, kPartitions).empty());
  CHECK(PartitionsOf("x", {}, kPartitions).empty());
  CHECK(PartitionsOf("a", {"a"}, kPartitions).size() == kPartitions);
}

}  // namespace
}  // namespace homeport::registry
