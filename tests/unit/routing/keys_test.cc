#include "libs/routing/keys.h"

#include <catch2/catch.hpp>

namespace homeport::routing {
namespace {

TEST_CASE("keys carry the hash tag of what one script touches") {
  CHECK(UplinkKey(7) == "hp:{u:07}:up");
  CHECK(UplinkKey(123) == "hp:{u:123}:up");
  CHECK(InboxKey("gateway-0a1b2c3d.1") == "hp:{g:gateway-0a1b2c3d.1}:inbox");
  CHECK(SessionKey("lamp-1") == "hp:{d:lamp-1}:sess");
  CHECK(PodKey("registry-00000000") == "hp:pod:registry-00000000");
}

TEST_CASE("a device's main session and its other clients have their own fields") {
  CHECK(SessionField("gw-1.0", 7, ClientSuffix("lamp-1", "lamp-1")) == "gw-1.0 7");
  CHECK(SessionField("gw-1.0", 7, ClientSuffix("lamp-1", "")) == "gw-1.0 7");
  CHECK(SessionField("gw-1.0", 7, ClientSuffix("lamp-1", "mosq abc")) == "gw-1.0 7 mosq abc");
}

TEST_CASE("the device and the pod are found again in their keys") {
  CHECK(DeviceOfSessionKey(SessionKey("lamp-1")) == "lamp-1");
  CHECK(PodOfInboxKey(InboxKey("gw-1.0")) == "gw-1.0");
  CHECK(DeviceOfSessionKey("hp:{g:gw}:inbox").empty());
  CHECK(PodOfInboxKey("hp:{g:}:inbox").empty());
}

TEST_CASE("partitions are within bounds and spread") {
  int hits[64] = {};
  for (int i = 0; i < 6400; ++i) {
    const uint32_t partition = PartitionOf("device-" + std::to_string(i), 64);
    REQUIRE(partition < 64);
    ++hits[partition];
  }
  for (const int count : hits) {
    CHECK(count > 50);
    CHECK(count < 170);
  }
}

}  // namespace
}  // namespace homeport::routing
