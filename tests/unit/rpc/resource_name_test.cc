#include "libs/rpc/resource_name.h"

#include <catch2/catch.hpp>

#include "libs/base/reason.h"

namespace homeport::rpc {
namespace {

constexpr const char* kOwn = "acme";

TEST_CASE("names of each kind") {
  CHECK(ParseTenantName("tenants/t1", kOwn)->str() == "t1");
  CHECK(ParseTenantName("tenants/-", kOwn)->str() == "acme");

  const auto device = ParseDeviceName("tenants/-/devices/lamp-1", kOwn);
  REQUIRE(device.ok());
  CHECK(device->tenant.str() == "acme");
  CHECK(device->device.str() == "lamp-1");

  const auto product = ParseProductName("tenants/t1/products/homeport.light.desk1", kOwn);
  REQUIRE(product.ok());
  CHECK(product->tenant.str() == "t1");
  CHECK(product->product.str() == "homeport.light.desk1");

  const auto classic = ParseShadowName("tenants/t1/devices/d/shadows/-", kOwn);
  REQUIRE(classic.ok());
  CHECK(classic->shadow.empty());
  const auto named = ParseShadowName("tenants/t1/devices/d/shadows/cfg", kOwn);
  REQUIRE(named.ok());
  CHECK(named->device.str() == "d");
  CHECK(named->shadow == "cfg");
}

struct SessionCase {
  const char* name;
  const char* device;
  const char* client;
};

TEST_CASE("a session's name holds any client id") {
  const SessionCase cases[] = {
      {"tenants/-/devices/lamp/sessions/-", "lamp", "lamp"},
      {"tenants/acme/devices/lamp/sessions/lamp", "lamp", "lamp"},
      {"tenants/-/devices/lamp/sessions/lamp%2Fapp", "lamp", "lamp/app"},
      {"tenants/-/devices/claim:ab:7/sessions/f%c3%a9", "claim:ab:7", "f\xc3\xa9"},
      {"tenants/-/devices/lamp/sessions/%2D", "lamp", "-"},
      {"tenants/-/devices/-/sessions/-", "-", "-"}};
  for (const SessionCase& c : cases) {
    INFO(c.name);
    const auto session = ParseSessionName(c.name, kOwn);
    REQUIRE(session.ok());
    CHECK(session->tenant.str() == "acme");
    CHECK(session->device == c.device);
    CHECK(session->client == c.client);
    const std::string name = FormatSessionName("acme", session->device, session->client);
    const auto again = ParseSessionName(name, kOwn);
    REQUIRE(again.ok());
    CHECK(again->device == c.device);
    CHECK(again->client == c.client);
  }
  for (const char* wrong :
       {"tenants/-/devices/lamp", "tenants/-/devices/lamp/sessions/",
        "tenants/-/devices//sessions/x", "tenants/-/devices/lamp/sessions/a/b",
        "tenants/-/devices/lamp/sessions/a b", "tenants/-/devices/lamp/sessions/%",
        "tenants/-/devices/lamp/sessions/%4", "tenants/-/devices/lamp/sessions/%zz",
        "devices/lamp/sessions/x"}) {
    INFO(wrong);
    CHECK(ReasonOf(ParseSessionName(wrong, kOwn).status()) == "NAME_INVALID");
  }
  CHECK(!ParseSessionName("tenants/-/devices/d/sessions/" + std::string(129, 'a'), kOwn).ok());
}

TEST_CASE("formatted names parse back") {
  CHECK(ParseDeviceName(FormatDeviceName("t", "d"), kOwn)->device.str() == "d");
  CHECK(ParseProductName(FormatProductName("t", "p"), kOwn)->product.str() == "p");
  CHECK(FormatShadowName("t", "d", "") == "tenants/t/devices/d/shadows/-");
  CHECK(ParseShadowName(FormatShadowName("t", "d", "s"), kOwn)->shadow == "s");
}

TEST_CASE("device names that are refused") {
  for (const char* bad :
       {"", "lamp-1", "tenants", "tenants/", "tenants/t", "tenants/t/devices", "tenants/t/devices/",
        "tenants//devices/d", "tenants/t/devices/d/", "tenants/t/devices/d/shadows/s",
        "/tenants/t/devices/d", "tenants/T/devices/d", "tenants/t/devices/d d",
        "tenants/t/devices/-/x", "tenantsX/t/devices/d", "tenants/t/products/p"}) {
    INFO(bad);
    const auto parsed = ParseDeviceName(bad, kOwn);
    CHECK(parsed.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(ReasonOf(parsed.status()) == "NAME_INVALID");
  }
}

TEST_CASE("shadow names that are refused") {
  const std::string prefix = "tenants/t/devices/d/shadows/";
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b"),
                                 std::string("a.b"), std::string(65, 'a')}) {
    INFO(bad);
    CHECK_FALSE(ParseShadowName(prefix + bad, kOwn).ok());
  }
  CHECK(ParseShadowName(prefix + std::string(64, 'a'), kOwn).ok());
  CHECK(ParseShadowName(prefix + "$a:b_c-1", kOwn).ok());
}

}  // namespace
}  // namespace homeport::rpc
