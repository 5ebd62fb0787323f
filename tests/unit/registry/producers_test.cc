#include "services/registry/core/producers.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

// A transaction of one batch, that is stored.
bool Admit(Producers& producers, std::string_view pod, uint64_t sequence, int64_t now_ms) {
  ProducerMap heard;
  const bool is_new = producers.Admit(heard, pod, sequence, now_ms);
  producers.Keep(heard, now_ms);
  return is_new;
}

TEST_CASE("each pod's batches are admitted once, in order") {
  Producers producers;
  CHECK(Admit(producers, "p", 1, 0));
  CHECK(Admit(producers, "p", 2, 0));
  CHECK_FALSE(Admit(producers, "p", 2, 0));
  CHECK_FALSE(Admit(producers, "p", 1, 0));
  CHECK(Admit(producers, "p", 9, 0));  // those between were given up by the pod
  CHECK(Admit(producers, "q", 1, 0));
  CHECK_FALSE(Admit(producers, "q", 0, 0));
}

TEST_CASE("what a transaction has heard counts in it at once, and elsewhere once it is stored") {
  Producers producers;
  ProducerMap heard;
  CHECK(producers.Admit(heard, "p", 7, 1));
  CHECK_FALSE(producers.Admit(heard, "p", 7, 2));
  CHECK(heard.at("p").sequence == 7);
  CHECK(heard.at("p").heard_ms == 2);
  ProducerMap again;  // the first one failed
  CHECK(producers.Admit(again, "p", 7, 3));
  producers.Keep(again, 3);
  ProducerMap third;
  CHECK_FALSE(producers.Admit(third, "p", 7, 4));
  CHECK(third.at("p").sequence == 7);
}

TEST_CASE("pods are forgotten a day after they were last heard of") {
  Producers producers;
  CHECK(Admit(producers, "old", 5, 0));
  CHECK(Admit(producers, "alive", 5, 0));
  CHECK_FALSE(Admit(producers, "alive", 5, Producers::kForgetMs));
  CHECK(Admit(producers, "new", 1, Producers::kForgetMs + 600'000));
  CHECK(producers.size() == 2);
  CHECK_FALSE(Admit(producers, "alive", 5, Producers::kForgetMs + 600'001));
}

TEST_CASE("what was stored before a long outage is still known behind it") {
  Producers producers({{"p", {7, 0}}});
  const int64_t later_ms = 3 * Producers::kForgetMs;
  CHECK(Admit(producers, "q", 1, later_ms));
  CHECK_FALSE(Admit(producers, "p", 7, later_ms + 1));
}

TEST_CASE("of too many pods those heard of longest ago are forgotten") {
  Producers producers;
  ProducerMap heard;
  for (size_t i = 0; i < Producers::kPodsMax; ++i) {
    CHECK(producers.Admit(heard, fmt::format("p{}", i), 1, static_cast<int64_t>(i)));
  }
  producers.Keep(heard, 0);
  CHECK(producers.size() == Producers::kPodsMax);
  CHECK(Admit(producers, "one more", 1, 10'000));
  CHECK(producers.size() < Producers::kPodsMax);
  CHECK(producers.size() > Producers::kPodsMax * 9 / 10);
  ProducerMap then;
  CHECK_FALSE(producers.Admit(then, "one more", 1, 10'000));
  CHECK_FALSE(producers.Admit(then, fmt::format("p{}", Producers::kPodsMax - 1), 1, 10'000));
  CHECK(producers.Admit(then, "p0", 1, 10'000));
}

}  // namespace
}  // namespace homeport::registry
