#include "libs/mqtt/inflight.h"

#include <catch2/catch.hpp>

namespace homeport::mqtt {
namespace {

using Insertion = InboundQos2Ids::Insertion;

static_assert(sizeof(InboundQos2Ids) == sizeof(void*));

TEST_CASE("inbound QoS 2 identifiers") {
  InboundQos2Ids ids;
  CHECK(ids.Insert({1}, 2) == Insertion::kNew);
  CHECK(ids.Insert({1}, 2) == Insertion::kDuplicate);
  CHECK(ids.Insert({65'535}, 2) == Insertion::kNew);
  CHECK(ids.Insert({2}, 2) == Insertion::kFull);
  CHECK(ids.Insert({65'535}, 2) == Insertion::kDuplicate);
  CHECK(ids.Remove(1));
  CHECK_FALSE(ids.Remove(1));
  CHECK(ids.size() == 1);
  CHECK(ids.Remove(65'535));
  CHECK(ids.size() == 0);
  CHECK(ids.entries().empty());
  CHECK_FALSE(ids.Remove(3));
}

TEST_CASE("inbound QoS 2 messages are told to be stored one by one") {
  InboundQos2Ids ids;
  CHECK(ids.all_stored());
  for (const uint16_t id : {7, 8, 9}) {
    REQUIRE(ids.Insert({id, id * 10u}, 10) == Insertion::kNew);
  }
  CHECK_FALSE(ids.all_stored());
  ids.SetStored(8);
  ids.SetStored(10);  // none of them
  REQUIRE(ids.size() == 3);
  CHECK(ids.entries()[0] == InboundQos2Ids::Entry{7, 70});
  CHECK(ids.entries()[1] == InboundQos2Ids::Entry{8, 0});
  CHECK(ids.entries()[2] == InboundQos2Ids::Entry{9, 90});
  ids.SetStored(7);
  ids.SetStored(9);
  CHECK(ids.all_stored());
  CHECK(ids.size() == 3);
}

}  // namespace
}  // namespace homeport::mqtt
