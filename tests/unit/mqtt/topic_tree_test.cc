#include "libs/mqtt/topic_tree.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "libs/mqtt/topic.h"

namespace homeport::mqtt {
namespace {

std::string Random(std::mt19937& random, bool filter) {
  static const std::vector<std::string> kNames = {"a", "b", "", "$x"};
  std::string text;
  const size_t levels = 1 + random() % 4;
  for (size_t i = 0; i < levels; ++i) {
    if (i > 0) text += '/';
    const size_t pick = random() % (filter ? 7 : 4);
    if (filter && pick == 6 && i + 1 == levels) {
      text += '#';
    } else {
      text += pick >= 4 ? "+" : kNames[pick];
    }
  }
  return text;
}

TEST_CASE("the tree says what matching filter by filter says") {
  std::mt19937 random(7);
  TopicTree<size_t> tree;
  std::vector<std::string> filters;
  for (size_t round = 0; round < 20'000; ++round) {
    const size_t action = random() % 4;
    if (action == 0 && filters.size() < 60) {
      std::string filter = Random(random, true);
      if (!IsValidTopicFilter(filter)) continue;
      tree.Add(filter, filters.size());
      filters.push_back(std::move(filter));
    } else if (action == 1 && !filters.empty()) {
      CHECK(tree.Remove(filters.back(), filters.size() - 1));
      CHECK_FALSE(tree.Remove(filters.back(), filters.size() - 1));
      filters.pop_back();
    } else {
      const std::string topic = Random(random, false);
      if (topic.empty()) continue;
      std::vector<size_t> expected, found;
      for (size_t i = 0; i < filters.size(); ++i) {
        if (Matches(filters[i], topic)) expected.push_back(i);
      }
      tree.Match(topic, [&](size_t value) { found.push_back(value); });
      std::sort(found.begin(), found.end());
      INFO(topic);
      CHECK(found == expected);
    }
    CHECK(tree.size() == filters.size());
  }
}

}  // namespace
}  // namespace homeport::mqtt
