#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "libs/mqtt/limits.h"
#include "libs/mqtt/types.h"

// Topic names and filters: MQTT 5 section 4.7 (3.1.1: the same) and shared subscriptions, 4.8.2.
namespace homeport::mqtt {

// 1-65,535 bytes of valid UTF-8 without wildcards.
[[nodiscard]] bool IsValidTopicName(std::string_view topic);

// 1-65,535 bytes of valid UTF-8; `+` fills a whole level, `#` the whole last level. Of a filter
// that begins "$share/" only this is asked; see ParseSharedFilter.
[[nodiscard]] bool IsValidTopicFilter(std::string_view filter);

// For topics and, at the caller's choice, filters: length and level count.
[[nodiscard]] bool IsWithinLimits(std::string_view topic, const Limits& limits);

// What Decode asks of a PUBLISH's or will's topic, given that it is valid UTF-8: not empty and no
// wildcard (0x81), within the limits (0x90).
[[nodiscard]] DecodeError CheckTopicName(std::string_view topic, const Limits& limits);

// Levels are what '/' separates: "" and "a" have one, "/" two.
[[nodiscard]] size_t LevelCount(std::string_view topic);

[[nodiscard]] bool HasWildcard(std::string_view filter);

// Whether the name `topic` matches `filter`. Wildcards in the first level do not match names that
// begin with `$` [MQTT-4.7.2-1]. REQUIRES: both are valid; `filter` is not a shared one (pass
// SharedFilter::filter instead).
[[nodiscard]] bool Matches(std::string_view filter, std::string_view topic);

[[nodiscard]] bool IsSharedFilter(std::string_view filter);  // begins "$share/"

struct SharedFilter {
  std::string_view group;
  std::string_view filter;
};
// "$share/{group}/{filter}": a group of at least one byte without '/', '+', '#', and a valid filter
// [MQTT-4.8.2-1, -2]. The views point into the argument.
[[nodiscard]] std::optional<SharedFilter> ParseSharedFilter(std::string_view filter);

}  // namespace homeport::mqtt
