#include "services/gateway/session/session_table.h"

#include <catch2/catch.hpp>
#include <set>

#include "services/gateway/inspect/session_view.h"
#include "services/gateway/ownership/ownership.h"

namespace homeport::gateway {
namespace {

Session* Open(SessionTable& table, uint32_t max = 1000) {
  Session* session = table.Allocate(max);
  if (session != nullptr) session->phase = Phase::kAwaitConnect;
  return session;
}

TEST_CASE("a handle finds its session until the slot is freed, and never its successor") {
  SessionTable table;
  Session* first = Open(table);
  const SessionHandle handle = first->handle();
  CHECK(table.Find(handle) == first);
  CHECK(table.Find(SessionHandle::FromPacked(handle.packed())) == first);
  table.Free(*first);
  CHECK(table.Find(handle) == nullptr);
  Session* second = Open(table);
  CHECK(second == first);  // the slot is used again
  CHECK(table.Find(handle) == nullptr);
  CHECK(table.Find(second->handle()) == second);
}

TEST_CASE("a reserved slot is nobody's session until it waits for its client") {
  SessionTable table;
  Session* slot = Open(table);
  slot->phase = Phase::kReserved;  // without an identity
  CHECK(table.Find(slot->handle()) == nullptr);
  CHECK(table.FindKept(slot->handle()) == nullptr);
  CHECK_FALSE(slot->is_away());
  CHECK_FALSE(MaySee(*slot, "default", true));
  slot->identity = std::make_unique<Identity>();
  slot->phase = Phase::kAway;
  CHECK(table.FindKept(slot->handle()) == slot);
  CHECK(MaySee(*slot, "default", true));
}

TEST_CASE("addresses are stable while the table grows, up to the limit") {
  SessionTable table;
  std::set<Session*> all;
  for (uint32_t i = 0; i < 3 * SessionTable::kChunk; ++i) {
    all.insert(Open(table, 3 * SessionTable::kChunk));
  }
  CHECK(all.size() == 3 * SessionTable::kChunk);
  CHECK(Open(table, 3 * SessionTable::kChunk) == nullptr);
  CHECK(table.slots() == 3 * SessionTable::kChunk);
  for (uint32_t i = 0; i < table.slots(); ++i) CHECK(all.count(&table.At(i)) == 1);
}

TEST_CASE("an idle session fits two cache lines") { CHECK(sizeof(Session) <= 128); }

struct LocationCase {
  const char* text;
  bool ok;
};

TEST_CASE("session locations are parsed strictly") {
  const auto location = ParseLocation("gateway-0a1b2c3d.1 4294967297 12");
  REQUIRE(location.has_value());
  CHECK(location->pod == "gateway-0a1b2c3d.1");
  CHECK(location->session == 4294967297);
  CHECK(location->epoch == 12);
  const LocationCase cases[] = {{"", false},        {"pod", false},     {"pod 1", false},
                                {"pod 1 x", false}, {"pod x 1", false}, {"pod 1 2", true},
                                {"pod 1 2 ", false}};
  for (const LocationCase& c : cases) {
    INFO(c.text);
    CHECK(ParseLocation(c.text).has_value() == c.ok);
  }
}

}  // namespace
}  // namespace homeport::gateway
