#include "services/registry/core/presence.h"

#include <catch2/catch.hpp>
#include <vector>

#include "services/registry/core/links.h"

namespace homeport::registry {
namespace {

constexpr int64_t kMinute = 60'000;
constexpr int64_t kNow = 1'000 * kMinute;
constexpr int64_t kGrace = 2'000;
constexpr int64_t kBle = 65 * kMinute;  // 3 x 20 + 5

TEST_CASE("presence follows from the facts") {
  struct Row {
    const char* name;
    PresenceFacts facts;
    bool online;
    int64_t until_ms;
  };
  const std::vector<Row> rows = {
      {"nothing is known", {}, false, 0},
      {"connected, for as long as that lasts", {.connected = true}, true, 0},
      {"its connection broke off a moment ago", {.broke_off_ms = kNow - 500}, true, kNow + 1500},
      {"its connection broke off long ago", {.broke_off_ms = kNow - kGrace}, false, 0},
      {"a child that was heard, behind a hub that is there",
       {.is_child = true, .hub_online = true, .seen_ms = kNow - kMinute, .silence_ms = kBle},
       true,
       kNow - kMinute + kBle},
      {"a coin cell, silent for an hour, is well",
       {.is_child = true, .hub_online = true, .seen_ms = kNow - 60 * kMinute, .silence_ms = kBle},
       true,
       kNow + 5 * kMinute},
      {"a child that was silent for three keep-alives and five minutes",
       {.is_child = true, .hub_online = true, .seen_ms = kNow - kBle, .silence_ms = kBle},
       false,
       0},
      {"a child whose hub is away, however fresh its news",
       {.is_child = true, .hub_online = false, .seen_ms = kNow, .silence_ms = kBle},
       false,
       0},
      {"a child that was never heard",
       {.is_child = true, .hub_online = true, .seen_ms = 0, .silence_ms = kBle},
       false,
       0},
      {"a child with a connection of its own needs no hub",
       {.connected = true, .is_child = true, .hub_online = false, .silence_ms = kBle},
       true,
       0},
      {"a child whose own connection broke off while its hub hears it",
       {.broke_off_ms = kNow - 500,
        .is_child = true,
        .hub_online = true,
        .seen_ms = kNow - kMinute,
        .silence_ms = kBle},
       true,
       kNow - kMinute + kBle},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      const Presence presence = PresenceOf(row.facts, kGrace, kNow);
      CHECK(presence.online == row.online);
      CHECK(presence.until_ms == row.until_ms);
    }
  }
}

TEST_CASE("without grace a broken connection is offline at once") {
  CHECK_FALSE(PresenceOf({.broke_off_ms = kNow}, 0, kNow).online);
}

TEST_CASE("a broken connection is awaited, one that was ended is not") {
  for (const char* reason : {"CONNECTION_LOST", "SERVER_INITIATED_DISCONNECT", "SERVER_SHUTDOWN",
                             "DUPLICATE_CLIENTID"}) {
    CHECK(IsBrokenOff(reason));
  }
  for (const char* reason : {"CLIENT_INITIATED_DISCONNECT", "MQTT_KEEP_ALIVE_TIMEOUT",
                             "API_INITIATED_DISCONNECT", "SERVER_ERROR", "CLIENT_ERROR", ""}) {
    CHECK_FALSE(IsBrokenOff(reason));
  }
}

TEST_CASE("what tells of a session that is not known yet") {
  struct Row {
    const char* name;
    uint64_t epoch;
    KnownSession known;
    bool news;
  };
  const std::vector<Row> rows = {
      {"the first session of all", 1, {}, true},
      {"a message of the session that is there", 5, {5, 5}, false},
      {"a straggler of the session before", 4, {5, 5}, false},
      {"a session that took over", 6, {5, 5}, true},
      {"a straggler of the session that has ended", 5, {0, 5}, false},
      {"an older straggler", 4, {0, 5}, false},
      {"the next session", 6, {0, 5}, true},
      {"another client's session, of which nothing outlives its row", 4, {0, 0}, true},
      {"no session's, such as a will", 0, {}, false},
      {"no session's while one is there", 0, {5, 5}, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) { CHECK(IsNewSession(row.epoch, row.known) == row.news); }
  }
}

TEST_CASE("of two pieces of news about a hub the higher epoch is the newer, then the end") {
  struct Row {
    const char* name;
    HubNews news, known;
    bool newer;
  };
  const std::vector<Row> rows = {
      {"the first news", {1, true}, {0, false}, true},
      {"it connected again", {6, true}, {5, true}, true},
      {"it is back", {6, true}, {5, false}, true},
      {"its session ended", {5, false}, {5, true}, true},
      {"the end of a session that was taken over", {5, false}, {6, true}, false},
      {"the start of a session that has ended since", {5, true}, {5, false}, false},
      {"nothing new", {5, true}, {5, true}, false},
      {"nothing new of its absence", {5, false}, {5, false}, false},
      {"a session older than the one that ended", {4, true}, {5, false}, false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) { CHECK(IsNewer(row.news, row.known) == row.newer); }
  }
}

TEST_CASE("silence limits of links") {
  CHECK(SilenceOfLink("ble") == 3'900'000);
  CHECK(SilenceOfLink("mesh") == 3'000'000);
  CHECK(SilenceOfLink("mesh-low-power") == 5'700'000);
  CHECK(SilenceOfLink("zigbee") == 10'200'000);
  CHECK(SilenceOfLink("zigbee-mains") == 2'100'000);
  CHECK(SilenceOfLink("matter") == 11'100'000);
  CHECK_FALSE(SilenceOfLink("BLE").has_value());
  CHECK_FALSE(SilenceOfLink("").has_value());
}

}  // namespace
}  // namespace homeport::registry
