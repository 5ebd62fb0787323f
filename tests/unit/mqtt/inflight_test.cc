#include "libs/mqtt/inflight.h"

#include <catch2/catch.hpp>
#include <memory>
#include <set>

namespace homeport::mqtt {
namespace {

using Table = OutboundInflight<int>;

static_assert(sizeof(OutboundInflight<int>) == sizeof(void*));
static_assert(sizeof(InboundQos2Ids) == sizeof(void*));

TEST_CASE("identifiers are unique while in flight and bounded by the window") {
  Table table;
  std::set<uint16_t> ids;
  for (int i = 0; i < 100; ++i) ids.insert(table.Add(Awaiting::kPuback, i, 100).value());
  CHECK(ids.size() == 100);
  CHECK(ids.count(0) == 0);
  CHECK_FALSE(table.Add(Awaiting::kPuback, 100, 100));
  CHECK(table.Complete(*ids.begin(), Awaiting::kPuback));
  CHECK(table.Add(Awaiting::kPuback, 100, 100));
}

TEST_CASE("identifiers wrap past those in flight and never are 0") {
  Table table;
  const uint16_t held = table.Add(Awaiting::kPubrec, -1, 2).value();
  std::set<uint16_t> ids;
  for (int i = 0; i < 70'000; ++i) {
    const uint16_t id = table.Add(Awaiting::kPuback, i, 2).value();
    REQUIRE(id != 0);
    REQUIRE(id != held);
    ids.insert(id);
    REQUIRE(table.Complete(id, Awaiting::kPuback) == i);
  }
  CHECK(ids.size() == 65'534);
}

TEST_CASE("an entry leaves only by the answer it awaits") {
  Table table;
  const uint16_t id = table.Add(Awaiting::kPubrec, 7, 10).value();
  CHECK_FALSE(table.Complete(id, Awaiting::kPuback));
  CHECK_FALSE(table.Complete(static_cast<uint16_t>(id + 1), Awaiting::kPubrec));
  table.Find(id)->awaiting = Awaiting::kPubcomp;
  CHECK_FALSE(table.Complete(id, Awaiting::kPubrec));
  CHECK(table.Complete(id, Awaiting::kPubcomp) == 7);
  CHECK(table.empty());
  CHECK_FALSE(table.Complete(id, Awaiting::kPubcomp));
}

TEST_CASE("entries stay in the order sent") {
  Table table;
  std::vector<uint16_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(table.Add(Awaiting::kPuback, i, 10).value());
  table.Complete(ids[1], Awaiting::kPuback);
  std::vector<int> items;
  for (const Table::Entry& entry : table.entries()) items.push_back(entry.item);
  CHECK(items == std::vector<int>{0, 2, 3});
}

TEST_CASE("a stored session's identifiers are kept and not given out again") {
  Table table;
  CHECK(table.Restore(65'535, Awaiting::kPubcomp, 1));
  CHECK(table.Restore(1, Awaiting::kPuback, 2));
  CHECK_FALSE(table.Restore(1, Awaiting::kPuback, 3));
  CHECK(table.Add(Awaiting::kPuback, 4, 10) == 2);
  CHECK(table.size() == 3);
  table.Clear();
  CHECK(table.empty());
}

TEST_CASE("items may be owned by the table") {
  OutboundInflight<std::unique_ptr<int>> table;
  const uint16_t id = table.Add(Awaiting::kPuback, std::make_unique<int>(5), 1).value();
  CHECK(**table.Complete(id, Awaiting::kPuback) == 5);
}

TEST_CASE("inbound QoS 2 identifiers") {
  using Insertion = InboundQos2Ids::Insertion;
  InboundQos2Ids ids;
  CHECK(ids.Insert(1, 2) == Insertion::kNew);
  CHECK(ids.Insert(1, 2) == Insertion::kDuplicate);
  CHECK(ids.Insert(65'535, 2) == Insertion::kNew);
  CHECK(ids.Insert(2, 2) == Insertion::kFull);
  CHECK(ids.Insert(65'535, 2) == Insertion::kDuplicate);
  CHECK(ids.Contains(1));
  CHECK(ids.Remove(1));
  CHECK_FALSE(ids.Remove(1));
  CHECK(ids.size() == 1);
  CHECK(ids.Remove(65'535));
  CHECK(ids.size() == 0);
  CHECK(ids.ids().empty());
  CHECK_FALSE(ids.Remove(3));
}

}  // namespace
}  // namespace homeport::mqtt
