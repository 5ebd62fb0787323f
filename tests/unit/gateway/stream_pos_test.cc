#include "services/gateway/stream/stream_pos.h"

#include <catch2/catch.hpp>
#include <string>

namespace homeport::gateway {
namespace {

TEST_CASE("a place is read as Redis writes it") {
  CHECK(ParseStreamPos("1700000000000-7") == StreamPos{1'700'000'000'000, 7});
  CHECK(ParseStreamPos("0-0") == StreamPos{});
  CHECK(ParseStreamPos("12") == StreamPos{12, 0});
  CHECK(ParseStreamPos("") == StreamPos{});
  CHECK(ParseStreamPos("5-10") > ParseStreamPos("5-9"));
}

TEST_CASE("a retained message has its place behind it") {
  const std::string bytes = "bytes12-3\x04";
  const RetainedValue value = ParseRetained(bytes);
  CHECK(value.message == "bytes");
  CHECK(value.place == StreamPos{12, 3});
  CHECK(ParseRetained("").message.empty());
  CHECK(ParseRetained("\x09").message.empty());
}

}  // namespace
}  // namespace homeport::gateway
