#include "services/registry/api/place_token.h"

#include <catch2/catch.hpp>
#include <limits>

namespace homeport::registry {
namespace {

TEST_CASE("a place comes back as it was, for the same request only") {
  for (const PlaceToken& place :
       {PlaceToken{0, 0}, PlaceToken{1'764'144'000'123, 42},
        PlaceToken{std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}}) {
    const std::string token = WritePlace(place, "request");
    const auto read = ReadPlace(token, "request");
    REQUIRE(read.has_value());
    CHECK(read->first == place.first);
    CHECK(read->second == place.second);
    CHECK_FALSE(ReadPlace(token, "another").has_value());
  }
}

TEST_CASE("what no token is") {
  const std::string token = WritePlace({1, 2}, "r");
  std::string changed = token;
  changed[20] = changed[20] == '0' ? '1' : '0';
  for (const std::string& text : {std::string(), token.substr(1), token + "0", changed,
                                  std::string(48, 'x'), std::string(48, '-')}) {
    INFO(text);
    CHECK_FALSE(ReadPlace(text, "r").has_value());
  }
}

}  // namespace
}  // namespace homeport::registry
