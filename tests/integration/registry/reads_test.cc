#include <atomic>
#include <catch2/catch.hpp>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "services/registry/api/batched_reads.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/shadow_table.h"
#include "tests/integration/registry/world.h"

// Reads of gRPC calls that wait together: how they share statements, and that each gets its own.
namespace homeport::registry::testing {
namespace {

using Numbers = BatchedReads<int, int>;

// A lane of one thread that the test holds up.
struct HeldLane {
  explicit HeldLane(World& world, size_t waiting_max = 100)
      : lane({.connect = world.postgres(), .threads = 1, .waiting_max = waiting_max}) {
    lane.Start();
    absl::Notification begun;
    REQUIRE(lane.Submit(
        [&](postgres::Connection&) {
          begun.Notify();
          go_on.WaitForNotification();
          return absl::OkStatus();
        },
        [](const absl::Status&) {}));
    begun.WaitForNotification();
  }
  absl::Notification go_on;
  ReadLane lane;
};

TEST_CASE("reads that wait share a statement, each gets its own, and what is too many is refused") {
  World world;
  std::vector<size_t> batches;
  HeldLane held(world);
  Numbers reads(held.lane, {.batch_max = 4, .waiting_max = 6},
                [&](postgres::Connection&, const std::vector<int>& keys) {
                  batches.push_back(keys.size());
                  std::vector<absl::StatusOr<int>> found;
                  for (const int key : keys) found.emplace_back(key * 10);
                  return absl::StatusOr<std::vector<absl::StatusOr<int>>>(std::move(found));
                });
  absl::BlockingCounter answered(6);
  std::vector<int> answers(6);
  for (int i = 0; i < 6; ++i) {
    REQUIRE(reads.Find(i, [&, i](const absl::StatusOr<int>& found) {
      answers[static_cast<size_t>(i)] = found.value();
      answered.DecrementCount();
    }));
  }
  CHECK_FALSE(reads.Find(6, [](const absl::StatusOr<int>&) { FAIL("was refused"); }));
  held.go_on.Notify();
  answered.Wait();
  CHECK(answers == std::vector<int>{0, 10, 20, 30, 40, 50});
  CHECK(batches == std::vector<size_t>{4, 2});
  held.lane.Stop();
  CHECK_FALSE(reads.Find(7, [](const absl::StatusOr<int>&) { FAIL("was refused"); }));
}

TEST_CASE(
    "a statement that fails fails all its reads, and is tried twice when PostgreSQL is gone") {
  World world;
  std::atomic<int> tried = 0;
  HeldLane held(world);
  Numbers reads(held.lane, {.batch_max = 4, .waiting_max = 6},
                [&](postgres::Connection&,
                    const std::vector<int>&) -> absl::StatusOr<std::vector<absl::StatusOr<int>>> {
                  ++tried;
                  return absl::UnavailableError("gone");
                });
  absl::BlockingCounter answered(2);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(reads.Find(i, [&](const absl::StatusOr<int>& found) {
      CHECK(absl::IsUnavailable(found.status()));
      answered.DecrementCount();
    }));
  }
  held.go_on.Notify();
  answered.Wait();
  CHECK(tried == 2);
}

TEST_CASE("shadows of several devices by one statement") {
  World world;
  world.Run(
      "INSERT INTO device (id, tenant, product, online) VALUES ('a', 'default', 'p', true),"
      " ('b', 'other', 'p', false);"
      "INSERT INTO shadow (device, name, version, state, metadata) VALUES"
      " ('a', '', 7, '{\"reported\":{\"x\":1}}', '{\"reported\":{\"x\":5}}'),"
      " ('a', 'n', 3, '{}', '{}')");
  const auto found = FindDeviceShadows(world.db(), {{DeviceId("nobody"), ""},
                                                    {DeviceId("a"), "n"},
                                                    {DeviceId("b"), ""},
                                                    {DeviceId("a"), ""},
                                                    {DeviceId("a"), ""}});
  REQUIRE(found.ok());
  CHECK((*found)[0]->tenant.empty());
  CHECK_FALSE((*found)[0]->document.exists());
  CHECK((*found)[1]->document.version == 3);
  CHECK((*found)[2]->tenant == "other");
  CHECK_FALSE((*found)[2]->document.exists());
  CHECK((*found)[3]->document.version == 7);
  CHECK((*found)[3]->online);
  CHECK((*found)[4]->document.version == 7);
}

TEST_CASE("pages of several lists by one statement, each in order and with its own limit") {
  World world;
  world.Run(
      "INSERT INTO device (id, tenant, product) SELECT 'd' || lpad(i::text, 3, '0'),"
      " CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, 'p' FROM generate_series(1, 200) AS i;"
      "UPDATE device SET deleted_at = now() WHERE id = 'd002'");
  const auto search = [](std::string_view tenant, std::vector<std::string> behind, int64_t limit) {
    DeviceSearch wanted;
    wanted.tenant = TenantId(tenant);
    wanted.order = filter::ParseOrder("", DeviceSchema()).value();
    wanted.filter = filter::Parse("").value();
    wanted.behind = std::move(behind);
    wanted.limit = limit;
    REQUIRE(IsPlain(wanted));
    return wanted;
  };
  const auto pages =
      FindDevicePages(world.db(), {search("odd", {"d100"}, 3), search("even", {}, 2),
                                   search("nobody", {}, 5), search("odd", {"d197"}, 3)});
  REQUIRE(pages.ok());
  const auto ids = [&](size_t page) {
    std::vector<std::string> of_page;
    for (const DeviceRow& row : (*pages)[page]->rows) of_page.push_back(row.id);
    return of_page;
  };
  CHECK(ids(0) == std::vector<std::string>{"d101", "d103", "d105", "d107"});
  CHECK((*pages)[0]->last_keys == std::vector<std::string>{"d105"});
  CHECK(ids(1) == std::vector<std::string>{"d004", "d006", "d008"});
  CHECK(ids(2).empty());
  CHECK(ids(3) == std::vector<std::string>{"d199"});
}

}  // namespace
}  // namespace homeport::registry::testing
