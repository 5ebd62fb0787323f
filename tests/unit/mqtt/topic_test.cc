#include "libs/mqtt/topic.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/mqtt/exact_block.h"

namespace homeport::mqtt {
namespace {

TEST_CASE("matching, sections 4.7.1 to 4.7.3") {
  struct Row {
    const char* filter;
    const char* topic;
    bool matches;
  };
  const Row rows[] = {
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/tennis/player1/#", "sport/tennis/player2", false},
      {"sport/tennis/player1/#", "sport/tennis/player10", false},
      {"sport/#", "sport", true},
      {"sport/#", "sport/", true},
      {"sport/#", "sports", false},
      {"#", "a", true},
      {"#", "/", true},
      {"#", "a/b/c", true},
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+", "/finance", false},
      {"+", "", true},
      {"+/tennis/#", "sport/tennis", true},
      {"+/tennis/#", "tennis", false},
      {"a/+/c", "a/b/c", true},
      {"a/+/c", "a//c", true},
      {"a/+/c", "a/b/d", false},
      {"a/+/c", "a/b/c/d", false},
      {"a/+/c", "a/b", false},
      {"a/+/#", "a/b", true},
      {"a/+/#", "a", false},
      {"+/+/#", "a/b", true},
      {"a", "a", true},
      {"a", "A", false},
      {"a", "/a", false},
      {"a/", "a", false},
      {"a", "a/", false},
      {"a//b", "a//b", true},
      {"a//b", "a/b", false},
      {"ab", "a", false},
      {"a", "ab", false},
      {"#", "$SYS/monitor", false},
      {"+/monitor", "$SYS/monitor", false},
      {"+/#", "$SYS", false},
      {"$SYS/#", "$SYS/monitor", true},
      {"$SYS/monitor/+", "$SYS/monitor/clients", true},
      {"$SYS/+", "$SYS/$x", true},
      {"a/+", "a/$x", true},
      {"a/#", "a/$x", true},
      {"SYS/#", "$SYS/x", false},
  };
  for (const Row& row : rows) {
    INFO("'" << row.filter << "' and '" << row.topic << "'");
    CHECK(Matches(row.filter, row.topic) == row.matches);
  }
}

TEST_CASE("topic names") {
  for (const char* name : {"a", "/", "//", "a b", "$SYS/x", "\xC3\xA9", "$share/g/a"}) {
    INFO(name);
    CHECK(IsValidTopicName(name));
  }
  for (const char* name : {"", "#", "a/+", "a+b", "\xFF"}) {
    INFO(name);
    CHECK_FALSE(IsValidTopicName(name));
  }
  CHECK_FALSE(IsValidTopicName(std::string_view("a\0b", 3)));
  CHECK(IsValidTopicName(std::string(65'535, 'a')));
  CHECK_FALSE(IsValidTopicName(std::string(65'536, 'a')));
}

TEST_CASE("topic filters") {
  for (const char* filter : {"#", "+", "/#", "+/#", "a/+/b", "+/a", "/+/", "a/#", "$share/x"}) {
    INFO(filter);
    CHECK(IsValidTopicFilter(filter));
  }
  for (const char* filter : {"", "a#", "#a", "#/a", "##", "++", "a+", "+a", "a/b+/c", "\xC0\x80"}) {
    INFO(filter);
    CHECK_FALSE(IsValidTopicFilter(filter));
  }
  CHECK(IsValidTopicFilter(std::string(65'535, 'a')));
  CHECK_FALSE(IsValidTopicFilter(std::string(65'536, 'a')));
}

TEST_CASE("levels") {
  CHECK(LevelCount("a") == 1);
  CHECK(LevelCount("/") == 2);
  CHECK(LevelCount("a/b/#") == 3);
}

TEST_CASE("limits at and beyond") {
  Limits limits;
  limits.topic_bytes_max = 8;
  limits.topic_levels_max = 3;
  CHECK(IsWithinLimits("12345678", limits));
  CHECK_FALSE(IsWithinLimits("123456789", limits));
  CHECK(IsWithinLimits("a/b/c", limits));
  CHECK_FALSE(IsWithinLimits("a/b/c/", limits));
  CHECK(CheckTopicName("a/b/c", limits).ok());
  CHECK(CheckTopicName("a/b/c/", limits).reason == ReasonCode::kTopicNameInvalid);
  CHECK(CheckTopicName("123456789", limits).reason == ReasonCode::kTopicNameInvalid);
}

// The scan reads eight bytes at a time: what it looks for must be seen at every offset.
TEST_CASE("one wildcard or slash is found wherever it is") {
  Limits limits;
  limits.topic_levels_max = 1;
  for (size_t size = 1; size < 26; ++size) {
    for (size_t at = 0; at < size; ++at) {
      INFO("size " << size << ", byte " << at);
      for (char filler : {'a', '\x01', '*', ',', '.', '0', '\xAF', '\xA3', '\xFF'}) {
        std::string topic(size, filler);
        CHECK(CheckTopicName(ExactBlock(topic).view(), limits).ok());
        for (char found : {'+', '#', '/'}) {
          topic[at] = found;
          CHECK_FALSE(CheckTopicName(ExactBlock(topic).view(), limits).ok());
        }
      }
    }
  }
}

TEST_CASE("shared subscriptions, section 4.8.2") {
  const auto shared = ParseSharedFilter("$share/group/a/+/#");
  REQUIRE(shared);
  CHECK(shared->group == "group");
  CHECK(shared->filter == "a/+/#");
  CHECK(ParseSharedFilter("$share/g//a")->filter == "/a");
  for (const char* filter : {"a/b", "$share", "$share/", "$share/g", "$share/g/", "$share//a",
                             "$share/g+/a", "$share/#/a", "$share/g/a#", "$Share/g/a"}) {
    INFO(filter);
    CHECK_FALSE(ParseSharedFilter(filter));
  }
  CHECK(IsSharedFilter("$share/g"));
  CHECK_FALSE(IsSharedFilter("$shared/g/a"));
}

}  // namespace
}  // namespace homeport::mqtt
