#include "services/registry/core/producers.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

constexpr int64_t kDayMs = 86'400'000;

TEST_CASE("each pod's batches are admitted once, in order") {
  Producers producers;
  CHECK(producers.Admit("p", 1, 0));
  CHECK(producers.Admit("p", 2, 0));
  CHECK_FALSE(producers.Admit("p", 2, 0));
  CHECK_FALSE(producers.Admit("p", 1, 0));
  CHECK(producers.Admit("p", 9, 0));  // those between were given up by the pod
  CHECK(producers.Admit("q", 1, 0));
  CHECK_FALSE(producers.Admit("q", 0, 0));
}

TEST_CASE("pods are forgotten a day after they were last heard of") {
  Producers producers;
  CHECK(producers.Admit("old", 5, 0));
  CHECK(producers.Admit("alive", 5, 0));
  CHECK_FALSE(producers.Admit("alive", 5, kDayMs));
  producers.Prune(kDayMs + 1);
  CHECK(producers.size() == 1);
  CHECK_FALSE(producers.Admit("alive", 5, kDayMs + 1));
}

TEST_CASE("of too many pods the oldest are forgotten") {
  Producers producers;
  for (int i = 0; i < 1030; ++i) CHECK(producers.Admit(fmt::format("p{}", i), 1, i));
  producers.Prune(1030);
  CHECK(producers.size() == 1024);
  CHECK(producers.Admit("p5", 1, 1030));
  CHECK_FALSE(producers.Admit("p6", 1, 1030));
}

TEST_CASE("stored text gives the same producers") {
  Producers producers;
  CHECK(producers.Admit("p", 7, 1000));
  CHECK(producers.Encode() == R"({"p":[7,1000]})");
  auto decoded = Producers::Decode(producers.Encode());
  REQUIRE(decoded.ok());
  CHECK_FALSE(decoded->Admit("p", 7, 1000));
  for (const char* text : {"", "[]", R"({"p":7})", R"({"p":[7]})", R"({"p":["7",1]})"}) {
    INFO(text);
    CHECK_FALSE(Producers::Decode(text).ok());
  }
}

}  // namespace
}  // namespace homeport::registry
