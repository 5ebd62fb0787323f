#include "services/gateway/ownership/receipts.h"

#include <catch2/catch.hpp>

namespace homeport::gateway {
namespace {

using Entry = mqtt::InboundQos2Ids::Entry;
using Ids = std::vector<uint16_t>;

Identity Named(std::string_view device, std::string_view client) {
  Identity identity;
  identity.device = device;
  identity.client = client;
  return identity;
}

// A kept session that has received `entries`, the last of which was its publish number `last`.
std::string Written(uint64_t epoch, uint32_t last, const std::vector<Entry>& entries) {
  Session session;
  session.epoch = epoch;
  session.Cold().kept = std::make_unique<Kept>();
  session.kept()->received = last;
  for (const Entry& entry : entries) {
    static_cast<void>(session.cold->from_device_qos2.Insert(entry, 100));
  }
  return FormatReceived(session);
}

// Several batches' receipts, as they come from Redis.
PodReceipts Receive(const std::string& bytes) {
  internal::v1::Receipts all;
  REQUIRE(all.ParseFromString(bytes));
  PodReceipts receipts;
  for (const auto& receipt : all.receipts()) receipts[receipt.client()].push_back(receipt);
  return receipts;
}

TEST_CASE("what a session has received comes back") {
  const std::string text = Written(17, 9, {{1, 0}, {65'535, 9}, {3, 8}});
  CHECK(text == "17 9 1 65535?9 3?8");
  const ReceivedRecord record = ParseReceived(text);
  CHECK(record.epoch == 17);
  CHECK(record.last == 9);
  CHECK(record.entries == std::vector<Entry>{{1, 0}, {65'535, 9}, {3, 8}});
  CHECK_FALSE(record.all_stored());
  mqtt::InboundQos2Ids ids;
  RestoreReceived(record, ids);
  REQUIRE(ids.size() == 1);  // of the others nobody knows yet
  CHECK(ids.entries()[0] == Entry{1, 0});
  CHECK(ParseReceived(Written(17, 9, {{1, 0}})).all_stored());
}

TEST_CASE("what is no packet id is left out") {
  CHECK(ParseReceived("").entries.empty());
  CHECK(ParseReceived("x y 0 65536 7? 8?0 9?x 10x ?1 -1 ").entries.empty());
  CHECK(ParseReceived("1 2 5  6").entries == std::vector<Entry>{{5, 0}, {6, 0}});
}

TEST_CASE("a receipt settles what its pod did not come to note") {
  const Identity lamp = Named("lamp", "lamp");
  const Identity app = Named("lamp", "lamp/app");
  const PodReceipts receipts = Receive(
      MakeReceipt(lamp, 5, {1, 10}) + MakeReceipt(lamp, 5, {2, 11}) +
      MakeReceipt(lamp, 5, {3, 12}) + MakeReceipt(lamp, 4, {4, 13}) + MakeReceipt(app, 5, {6, 12}));
  const auto settled = [&](const Identity& who, uint64_t epoch, const std::string& received) {
    return Settle(MakeDoubt("pod", who, epoch, received), receipts);
  };
  SECTION("newer than all that was noted") {
    CHECK(settled(lamp, 5, Written(5, 11, {})) == Ids{3});
  }
  SECTION("noted as on its way") {
    CHECK(settled(lamp, 5, Written(5, 12, {{2, 11}, {1, 0}})) == Ids{2});
  }
  SECTION("an id that is in use again, for another publish, which is in no stream") {
    CHECK(settled(lamp, 5, Written(5, 14, {{2, 14}})).empty());
  }
  SECTION("released since") { CHECK(settled(lamp, 5, Written(5, 12, {})).empty()); }
  SECTION("its owner has noted nothing yet, an earlier one has") {
    CHECK(settled(lamp, 5, Written(3, 99, {{2, 11}})) == Ids{1, 2, 3});
    CHECK(settled(lamp, 5, "") == Ids{1, 2, 3});
  }
  SECTION("the earlier one on the same pod, which did not come to note its last") {
    CHECK(settled(lamp, 5, Written(4, 12, {})) == Ids{1, 2, 3, 4});
    CHECK(settled(lamp, 5, Written(4, 13, {})) == Ids{1, 2, 3});
    CHECK(settled(lamp, 6, Written(4, 12, {})) == Ids{4});
  }
  SECTION("under another epoch, or of another client") {
    CHECK(settled(lamp, 6, "").empty());
    CHECK(settled(app, 5, "") == Ids{6});
    CHECK(settled(Named("fan", "fan"), 5, "").empty());
  }
}

}  // namespace
}  // namespace homeport::gateway
