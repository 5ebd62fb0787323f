#include "services/gateway/session/client_pace.h"

#include <catch2/catch.hpp>

namespace homeport::gateway {
namespace {

using Answer = ClientPace::Answer;

constexpr uint64_t kClient = 0x1234;

ClientPace::Options Small() {
  ClientPace::Options options;
  options.connects_per_second = 2;
  options.burst = 3;
  options.flaps_max = 10;
  options.window_s = 20;
  options.ban_s = 30;
  options.clients_max = 4;
  return options;
}

TEST_CASE("a calm client has its burst, then its rate") {
  ClientPace::Options options = Small();
  options.flaps_max = 0;
  ClientPace pace(options);
  int64_t now_ms = 1'000'000;
  for (int i = 0; i < 3; ++i) CHECK(pace.OnConnect(kClient, now_ms) == Answer::kGo);
  CHECK(pace.OnConnect(kClient, now_ms) == Answer::kTooFast);
  CHECK(pace.OnConnect(kClient, now_ms + 499) == Answer::kTooFast);
  CHECK(pace.OnConnect(kClient, now_ms + 500) == Answer::kGo);
  CHECK(pace.OnConnect(kClient, now_ms + 500) == Answer::kTooFast);
  now_ms += 10'000;
  for (int i = 0; i < 3; ++i) CHECK(pace.OnConnect(kClient, now_ms) == Answer::kGo);
  CHECK(pace.OnConnect(kClient, now_ms) == Answer::kTooFast);
}

TEST_CASE("a client that flaps is banned for a time, tries that were refused included") {
  ClientPace pace(Small());
  const int64_t now_ms = 5'000'000;
  for (int i = 0; i < 10; ++i) {
    const Answer answer = pace.OnConnect(kClient, now_ms);
    CHECK((answer == Answer::kGo || answer == Answer::kTooFast));
  }
  CHECK(pace.OnConnect(kClient, now_ms) == Answer::kBanBegins);
  CHECK(pace.OnConnect(kClient, now_ms) == Answer::kBanned);
  CHECK(pace.OnConnect(kClient, now_ms + 29'999) == Answer::kBanned);
  CHECK(pace.OnConnect(kClient, now_ms + 30'000) == Answer::kGo);
  CHECK(pace.OnConnect(kClient, now_ms + 60'000) == Answer::kGo);
}

TEST_CASE("connects in different windows do not add up") {
  ClientPace pace(Small());
  for (int i = 0; i < 100; ++i) {
    CHECK(pace.OnConnect(kClient, 1'000'000 + int64_t{i} * 2500) == Answer::kGo);
  }
}

TEST_CASE("the epoch tells of connects on other pods") {
  ClientPace pace(Small());
  CHECK(pace.OnConnect(kClient, 1'000'000) == Answer::kGo);
  pace.OnClaim(kClient, 700);
  CHECK(pace.OnConnect(kClient, 1'001'000) == Answer::kGo);
  pace.OnClaim(kClient, 702);  // one elsewhere
  CHECK(pace.OnConnect(kClient, 1'002'000) == Answer::kGo);
  pace.OnClaim(kClient, 709);  // 10 in the window
  CHECK(pace.OnConnect(kClient, 1'003'000) == Answer::kBanBegins);
  pace.OnClaim(kClient + 1, 5);  // nobody it knows
}

TEST_CASE("a new epoch counter tells of no connects") {
  constexpr uint64_t kUnixMs = 1'800'000'000'000;
  ClientPace pace(Small());
  int64_t now_ms = 1'000'000;
  for (const uint64_t epoch : {uint64_t{700}, uint64_t{701}, kUnixMs, kUnixMs + 1}) {
    CHECK(pace.OnConnect(kClient, now_ms += 1000) == Answer::kGo);
    pace.OnClaim(kClient, epoch);
  }
  pace.OnClaim(kClient, kUnixMs + 20);
  CHECK(pace.OnConnect(kClient, now_ms + 1000) == Answer::kBanBegins);
}

TEST_CASE("where there is no room the calmest is forgotten") {
  ClientPace pace(Small());
  const int64_t now_ms = 1'000'000;
  for (int i = 0; i < 11; ++i) static_cast<void>(pace.OnConnect(kClient, now_ms));
  REQUIRE(pace.OnConnect(kClient, now_ms) == Answer::kBanned);
  for (uint64_t other = 1; other < 1000; ++other) {
    CHECK(pace.OnConnect(0x10000 + other, now_ms) == Answer::kGo);
  }
  CHECK(pace.OnConnect(kClient, now_ms) == Answer::kBanned);
}

TEST_CASE("without limits everybody may come as often as he likes") {
  ClientPace::Options options = Small();
  options.connects_per_second = 0;
  options.flaps_max = 0;
  ClientPace pace(options);
  for (int i = 0; i < 1000; ++i) CHECK(pace.OnConnect(kClient, 1000) == Answer::kGo);
  pace.OnClaim(kClient, 1);
}

}  // namespace
}  // namespace homeport::gateway
