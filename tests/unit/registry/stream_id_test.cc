#include "services/registry/core/stream_id.h"

#include <catch2/catch.hpp>

namespace homeport::registry {
namespace {

TEST_CASE("stream ids read, print and order") {
  CHECK(ParseStreamId("1700000000000-12") == StreamId{1'700'000'000'000, 12});
  CHECK(ToText({5, 7}) == "5-7");
  CHECK(StreamId{1, 9} < StreamId{2, 0});
  CHECK(Next({5, 7}) == StreamId{5, 8});
  CHECK(Next({5, UINT64_MAX}) == StreamId{6, 0});
  for (const char* text : {"", "-", "1", "1-", "-1", "1-2-3", "1-2 ", "a-b"}) {
    INFO(text);
    CHECK_FALSE(ParseStreamId(text));
  }
}

}  // namespace
}  // namespace homeport::registry
