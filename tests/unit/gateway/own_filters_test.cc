#include "services/gateway/session/own_filters.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/mqtt/topic.h"

namespace homeport::gateway {
namespace {

const char* const kFilters[] = {
    "device/lamp-1/#",
    "device/lamp-1/down/#",
    "device/lamp-1/down/get/+",
    "device/lamp-1/down/set/+",
    "device/lamp-1/down/action/+",
    "device/lamp-1/down/set/#",
    "device/lamp-1/down/refused",
    "$aws/things/lamp-1/shadow/#",
    "$aws/things/lamp-1/shadow/get/+",
    "$aws/things/lamp-1/shadow/get/accepted",
    "$aws/things/lamp-1/shadow/update/delta",
    "$aws/things/lamp-1/shadow/update/#",
    "$aws/things/lamp-1/shadow/+/accepted",
    "$aws/things/lamp-1/shadow/delete/rejected",
};

const char* const kTopics[] = {
    "device/lamp-1/down/get/gw-1.7",
    "device/lamp-1/down/set/gw-1.7",
    "device/lamp-1/down/action/gw-1.7",
    "device/lamp-1/down/refused",
    "$aws/things/lamp-1/shadow/get/accepted",
    "$aws/things/lamp-1/shadow/get/rejected",
    "$aws/things/lamp-1/shadow/update/accepted",
    "$aws/things/lamp-1/shadow/update/rejected",
    "$aws/things/lamp-1/shadow/update/delta",
    "$aws/things/lamp-1/shadow/update/documents",
    "$aws/things/lamp-1/shadow/delete/accepted",
    "$aws/things/lamp-1/shadow/delete/rejected",
};

TEST_CASE("a row matches exactly the topics its filter matches") {
  for (const char* filter : kFilters) {
    const auto row = RowOfFilter(filter, "lamp-1");
    INFO(filter);
    REQUIRE(row.has_value());
    for (const char* topic : kTopics) {
      INFO(topic);
      const bool by_row = (RowsMatching(topic, "lamp-1") >> *row & 1) != 0;
      CHECK(by_row == mqtt::Matches(filter, topic));
    }
  }
}

TEST_CASE("filters that are not in the table, or another device's, have no row") {
  for (const char* filter :
       {"device/lamp-2/down/#", "device/lamp-1/down/set/gw-1.7", "device/lamp-1", "device/lamp-1/",
        "$aws/things/lamp-1/shadow/name/a/update/delta", "#", "device/+/down/#",
        "device/lamp-11/down/#"}) {
    INFO(filter);
    CHECK_FALSE(RowOfFilter(filter, "lamp-1").has_value());
  }
}

TEST_CASE("another device's topic matches no row") {
  CHECK(RowsMatching("device/lamp-2/down/set/gw.1", "lamp-1") == 0);
}

}  // namespace
}  // namespace homeport::gateway
