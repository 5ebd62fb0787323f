#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/check.h"
#include "libs/mqtt/topic.h"

// Matches() against a matcher that follows section 4.7 word by word. The input is a filter and a
// topic, separated by a line feed.
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

void Check(std::string_view filter, std::string_view topic) {
  const Levels filter_levels = Split(filter);
  const bool is_text = !filter.empty() && filter.find('\0') == std::string_view::npos;
  const bool valid = IsValidTopicFilter(filter);
  HP_CHECK(!valid || (is_text && NaiveIsValidFilter(filter_levels)));
  HP_CHECK(LevelCount(filter) == filter_levels.size());
  if (ParseSharedFilter(filter)) HP_CHECK(valid && IsSharedFilter(filter));
  if (!valid || !IsValidTopicName(topic)) return;
  const bool hidden = topic[0] == '$' && (filter[0] == '+' || filter[0] == '#');
  const bool expected = !hidden && NaiveMatches(filter_levels, Split(topic), 0);
  HP_CHECK(Matches(filter, topic) == expected);
}

}  // namespace
}  // namespace homeport::mqtt

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  homeport::mqtt::Check(input.substr(0, end), input.substr(end + 1));
  return 0;
}
