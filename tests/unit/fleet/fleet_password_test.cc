#include "services/fleet/io/fleet_password.h"

#include <catch2/catch.hpp>

namespace homeport::fleet {
namespace {

// The expected value: printf 'homeport.light.lamp1/lamp-0001' | openssl dgst -sha256 -hmac
// 0123456789abcdef
TEST_CASE("the password is the HMAC of the user name") {
  const std::string user = FleetUserName("homeport.light.lamp1", "lamp-0001");
  CHECK(user == "homeport.light.lamp1/lamp-0001");
  CHECK(FleetPassword("0123456789abcdef", user) ==
        "6d8f60ae55740da7f309bbb9cba1f671a9be8ab654474690a8e731b13bd6e06d");
}

}  // namespace
}  // namespace homeport::fleet
