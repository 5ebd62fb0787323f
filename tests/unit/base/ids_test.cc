#include "libs/base/ids.h"

#include <catch2/catch.hpp>

namespace homeport {
namespace {

TEST_CASE("device ids") {
  CHECK(IsValidDeviceId("lamp-1"));
  CHECK(IsValidDeviceId("lumi.158d0001:A_b"));
  CHECK(IsValidDeviceId(std::string(kDeviceIdBytesMax, 'a')));
  CHECK_FALSE(IsValidDeviceId(std::string(kDeviceIdBytesMax + 1, 'a')));
  for (const char* bad : {"", "a/b", "a+b", "a#", "a b", "a{b}", "a\n", "\xc3\xa9"}) {
    INFO(bad);
    CHECK_FALSE(IsValidDeviceId(bad));
  }
}

TEST_CASE("product ids are lower case") {
  CHECK(IsValidProductId("homeport.light.desk1"));
  CHECK_FALSE(IsValidProductId("Homeport.light"));
  CHECK_FALSE(IsValidProductId("a/b"));
}

TEST_CASE("names of shadows") {
  CHECK(IsValidShadowName("$a:B_-9"));
  CHECK(IsValidShadowName(std::string(kShadowNameBytesMax, 'a')));
  CHECK_FALSE(IsValidShadowName(std::string(kShadowNameBytesMax + 1, 'a')));
  for (const char* bad : {"", "a.b", "a/b", "+"}) {
    INFO(bad);
    CHECK_FALSE(IsValidShadowName(bad));
  }
}

TEST_CASE("tenant ids") {
  CHECK(IsValidTenantId("default"));
  CHECK_FALSE(IsValidTenantId("a.b"));
}

}  // namespace
}  // namespace homeport
