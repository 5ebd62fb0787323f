#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/check.h"
#include "libs/mqtt/topic.h"
#include "libs/mqtt/topic_tree.h"

// Matches() and TopicTree against a matcher that follows section 4.7 word by word. The input is a
// topic and filters, separated by line feeds.
namespace homeport::mqtt {
namespace {

using Levels = std::vector<std::string>;

Levels Split(std::string_view text) {
  Levels levels(1);
  for (char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back() += c;
    }
  }
  return levels;
}

bool NaiveMatches(const Levels& filter, const Levels& topic, size_t at) {
  if (at == filter.size()) return at == topic.size();
  if (filter[at] == "#") return true;
  if (at >= topic.size()) return false;
  if (filter[at] != "+" && filter[at] != topic[at]) return false;
  // '#' stands for the parent level too.
  if (at + 1 == topic.size() && at + 2 == filter.size() && filter[at + 1] == "#") return true;
  return NaiveMatches(filter, topic, at + 1);
}

bool NaiveIsValidFilter(const Levels& levels) {
  for (size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] == "+" || (levels[i] == "#" && i + 1 == levels.size())) continue;
    if (HasWildcard(levels[i])) return false;
  }
  return true;
}

bool NaiveMatchesName(std::string_view filter, std::string_view topic) {
  const bool hidden = topic[0] == '$' && (filter[0] == '+' || filter[0] == '#');
  return !hidden && NaiveMatches(Split(filter), Split(topic), 0);
}

void Check(std::string_view filter, std::string_view topic) {
  const Levels filter_levels = Split(filter);
  const bool is_text = !filter.empty() && filter.find('\0') == std::string_view::npos;
  const bool valid = IsValidTopicFilter(filter);
  HP_CHECK(!valid || (is_text && NaiveIsValidFilter(filter_levels)));
  HP_CHECK(LevelCount(filter) == filter_levels.size());
  if (ParseSharedFilter(filter)) HP_CHECK(valid && IsSharedFilter(filter));
  if (!valid || !IsValidTopicName(topic)) return;
  HP_CHECK(Matches(filter, topic) == NaiveMatchesName(filter, topic));
}

// The tree finds each filter that matches once, also when others have come and gone.
void CheckTree(const Levels& filters, std::string_view topic) {
  TopicTree<size_t> tree;
  for (size_t i = 0; i < filters.size(); ++i) tree.Add(filters[i], i);
  for (size_t gone = 0; gone <= filters.size(); ++gone) {
    std::vector<int> found(filters.size());
    tree.Match(topic, [&](size_t i) { ++found[i]; });
    for (size_t i = 0; i < filters.size(); ++i) {
      HP_CHECK(found[i] == (i >= gone && NaiveMatchesName(filters[i], topic) ? 1 : 0));
    }
    if (gone < filters.size()) HP_CHECK(tree.Remove(filters[gone], gone));
    if (gone < filters.size()) HP_CHECK(!tree.Remove(filters[gone], gone));
  }
  HP_CHECK(tree.empty());
}

}  // namespace
}  // namespace homeport::mqtt

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport::mqtt;
  constexpr size_t kFiltersMax = 16;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view topic = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(topic.size());
  std::vector<std::string> filters;
  while (!rest.empty() && filters.size() < kFiltersMax) {
    rest.remove_prefix(1);
    const std::string_view filter = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(filter.size());
    Check(filter, topic);
    if (IsValidTopicFilter(filter)) filters.emplace_back(filter);
  }
  if (IsValidTopicName(topic)) CheckTree(filters, topic);
  return 0;
}
