#include "services/registry/api/page_token.h"

#include <catch2/catch.hpp>

namespace homeport::registry {
namespace {

using Keys = std::vector<std::string>;

TEST_CASE("a place comes back as it was, for the same list only") {
  for (const Keys& keys :
       {Keys{}, Keys{"lamp-1"}, Keys{"-9223372036854775808", "42"}, Keys{"", "ä"}}) {
    const std::string token = MakePageToken("list", keys);
    const auto read = ReadPageToken(token, "list", keys.size());
    REQUIRE(read.ok());
    CHECK(*read == keys);
    CHECK_FALSE(ReadPageToken(token, "another", keys.size()).ok());
    CHECK_FALSE(ReadPageToken(token, "list", keys.size() + 1).ok());
  }
}

TEST_CASE("no token is the beginning") {
  const auto read = ReadPageToken("", "list", 2);
  REQUIRE(read.ok());
  CHECK(read->empty());
}

TEST_CASE("what no token is") {
  const std::string token = MakePageToken("list", {"1", "2"});
  std::string changed = token;
  changed[3] = changed[3] == 'A' ? 'B' : 'A';
  for (const std::string& text :
       {token.substr(4), token + "!", changed, std::string(48, '-'), std::string(10'000, 'A'),
        MakePageToken("list", {"1", std::string("\0", 1)})}) {
    INFO(text);
    CHECK_FALSE(ReadPageToken(text, "list", 2).ok());
  }
}

}  // namespace
}  // namespace homeport::registry
