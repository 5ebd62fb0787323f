#include "libs/mqtt/inflight.h"

#include <catch2/catch.hpp>

namespace homeport::mqtt {
namespace {

static_assert(sizeof(InboundQos2Ids) == sizeof(void*));

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
