#include "services/gateway/ownership/session_store.h"

#include <catch2/catch.hpp>

namespace homeport::gateway {
namespace {

Identity Named(std::string_view device, std::string_view client) {
  Identity identity;
  identity.device = device;
  identity.client = client;
  return identity;
}

TEST_CASE("names of the lists of a pod come back, whatever the client id") {
  for (const Identity& identity :
       {Named("lamp-1", "lamp-1"), Named("a:b c", "1:{x}\n"), Named("d", "")}) {
    const auto listed = ParseListName(ListName(identity, 42));
    REQUIRE(listed);
    CHECK(listed->epoch == 42);
    CHECK(listed->identity.device == identity.device);
    CHECK(listed->identity.client == identity.client);
  }
}

TEST_CASE("other names are refused") {
  for (const char* text :
       {"", "1", "1:", "1:2", "1:5:abc", "x:1:a", "1:x:a", "1:99999999999999999999:a"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseListName(text));
  }
}

TEST_CASE("places come back, others are refused") {
  const BusPlace place{{1700, 3}, 12};
  REQUIRE(ParsePlace(FormatPlace(place)));
  CHECK(*ParsePlace(FormatPlace(place)) == place);
  for (const char* text : {"", "1", "1-2", "1-2-", "1-2-3-", "a-2-3", "1-2-x", "1--2-3"}) {
    CAPTURE(text);
    CHECK_FALSE(ParsePlace(text));
  }
}

}  // namespace
}  // namespace homeport::gateway
