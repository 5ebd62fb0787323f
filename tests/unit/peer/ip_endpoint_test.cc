#include "libs/peer/ip_endpoint.h"

#include <catch2/catch.hpp>

namespace homeport::peer {
namespace {

IpAddress Ip(const char* text) {
  const auto ip = ParseIp(text);
  REQUIRE(ip.ok());
  return *ip;
}

TEST_CASE("Endpoints print as addresses are written") {
  CHECK(IpEndpoint{Ip("192.0.2.1"), 1883}.ToString() == "192.0.2.1:1883");
  CHECK(IpEndpoint{Ip("2001:db8::1"), 8883}.ToString() == "[2001:db8::1]:8883");
  CHECK(IpEndpoint().ToString() == "?");
  CHECK(Ip("::ffff:192.0.2.1") == Ip("192.0.2.1"));
}

TEST_CASE("A set holds its ranges and nothing else") {
  struct Row {
    const char* set;
    const char* ip;
    bool contained;
  };
  const Row rows[] = {
      {"", "127.0.0.1", false},
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.1.2.0/23", "10.1.3.255", true},
      {"10.1.2.0/23", "10.1.4.0", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"192.0.2.7,2001:db8::/32,10.0.0.0/8", "10.9.9.9", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.set, row.ip);
    const auto set = IpSet::Parse(row.set);
    REQUIRE(set.ok());
    CHECK(set->Contains(Ip(row.ip)) == row.contained);
  }
}

TEST_CASE("What is no set of addresses is refused") {
  for (const char* text : {"localhost", "10.0.0.0/33", "2001:db8::/129", "10.0.0.0/", "10.0.0.0/x",
                           "10.0.0", "127.0.0.1,,", "127.0.0.1 "}) {
    CAPTURE(text);
    CHECK(!IpSet::Parse(text).ok());
  }
}

}  // namespace
}  // namespace homeport::peer
