#include "libs/auth/access_policy.h"

#include <algorithm>
#include <utility>

#include "libs/auth/levels.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

absl::Status Invalid(std::string_view place, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", place, what));
}

// Text that stands for one whole level, and for no wildcard.
bool IsLevelText(std::string_view value) {
  return !value.empty() && value.find_first_of("/+#") == std::string_view::npos;
}

// What Homeport itself publishes for whoever may follow it.
bool IsOfEvents(std::string_view filter) {
  constexpr std::string_view kEvents = "$aws/events/";
  return filter.substr(0, kEvents.size()) == kEvents;
}

bool IsPlain(std::string_view filter) {
  return std::all_of(filter.begin(), filter.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

}  // namespace

std::string_view AccessPolicy::ValueOf(Variable variable, const PolicyClient& client) {
  switch (variable) {
    case Variable::kDevice:
      return client.device;
    case Variable::kProduct:
      return client.product;
    case Variable::kTenant:
      return client.tenant;
    case Variable::kClient:
      return client.client;
    case Variable::kNone:
      break;
  }
  return {};
}

absl::StatusOr<AccessPolicy::Level> AccessPolicy::CompileLevel(std::string_view text) {
  constexpr std::pair<std::string_view, Variable> kVariables[] = {
      {"${device}", Variable::kDevice},
      {"${product}", Variable::kProduct},
      {"${tenant}", Variable::kTenant},
      {"${client}", Variable::kClient}};
  if (text == "+") return Level{LevelKind::kPlus, {}};
  if (text == "#") return Level{LevelKind::kHash, {}};
  if (text.find_first_of("+#") != std::string_view::npos) {
    return absl::InvalidArgumentError("a wildcard is a level of its own");
  }
  Level level;
  while (!text.empty()) {
    const size_t begin = text.find("${");
    Part part;
    part.literal = text.substr(0, begin);
    text.remove_prefix(std::min(begin, text.size()));
    for (const auto& [name, variable] : kVariables) {
      if (text.substr(0, name.size()) != name) continue;
      part.variable = variable;
      text.remove_prefix(name.size());
      break;
    }
    if (part.variable == Variable::kNone && !text.empty()) {
      return absl::InvalidArgumentError(
          "the variables are ${device}, ${product}, ${tenant}, ${client}");
    }
    level.parts.push_back(std::move(part));
  }
  return level;
}

absl::StatusOr<AccessPolicy::Pattern> AccessPolicy::CompileFilter(std::string_view filter) {
  if (filter.empty()) return absl::InvalidArgumentError("is empty");
  if (!IsPlain(filter)) return absl::InvalidArgumentError("holds control characters");
  Pattern pattern;
  Levels levels(filter);
  do {
    HP_ASSIGN_OR_RETURN(Level level, CompileLevel(levels.Next()));
    if (level.kind == LevelKind::kHash && !levels.done()) {
      return absl::InvalidArgumentError("# is the last level");
    }
    pattern.push_back(std::move(level));
  } while (!levels.done());
  return pattern;
}

bool AccessPolicy::BeginsWithDollar(const Pattern& pattern) {
  const Level& first = pattern.front();
  return first.kind == LevelKind::kText && !first.parts.empty() &&
         first.parts.front().literal.substr(0, 1) == "$";
}

absl::StatusOr<AccessPolicy> AccessPolicy::Compile(const std::vector<PolicyRule>& rules,
                                                   const PolicyLimits& limits) {
  if (rules.size() > limits.rules_max) {
    return Invalid("rules", fmt::format("at most {}", limits.rules_max));
  }
  AccessPolicy policy;
  for (size_t i = 0; i < rules.size(); ++i) {
    const PolicyRule& rule = rules[i];
    const std::string place = fmt::format("rules[{}]", i);
    if (rule.actions.empty()) return Invalid(place + ".actions", "none is named");
    if (rule.filters.empty() || rule.filters.size() > limits.filters_max) {
      return Invalid(place + ".filters", fmt::format("1 to {}", limits.filters_max));
    }
    for (size_t j = 0; j < rule.filters.size(); ++j) {
      const std::string filter_place = fmt::format("{}.filters[{}]", place, j);
      if (rule.filters[j].size() > limits.filter_bytes_max) {
        return Invalid(filter_place, fmt::format("at most {} bytes", limits.filter_bytes_max));
      }
      const absl::StatusOr<Pattern> pattern = CompileFilter(rule.filters[j]);
      if (!pattern.ok()) return Invalid(filter_place, Message(pattern.status()));
      const bool only_follows =
          std::all_of(rule.actions.begin(), rule.actions.end(),
                      [](TopicAction action) { return action == TopicAction::kSubscribe; });
      if (BeginsWithDollar(*pattern) && !(only_follows && IsOfEvents(rule.filters[j]))) {
        return Invalid(filter_place, "topics that begin with $ are not a policy's to allow");
      }
      for (const TopicAction action : rule.actions) {
        policy.entries_[static_cast<size_t>(action)].push_back({rule.effect, *pattern});
      }
    }
  }
  for (std::vector<Entry>& entries : policy.entries_) std::reverse(entries.begin(), entries.end());
  return policy;
}

bool AccessPolicy::LevelMatches(const Level& level, std::string_view text,
                                const PolicyClient& client) {
  for (const Part& part : level.parts) {
    if (text.substr(0, part.literal.size()) != part.literal) return false;
    text.remove_prefix(part.literal.size());
    if (part.variable == Variable::kNone) continue;
    const std::string_view value = ValueOf(part.variable, client);
    if (!IsLevelText(value) || text.substr(0, value.size()) != value) return false;
    text.remove_prefix(value.size());
  }
  return text.empty();
}

// Of a topic, which has no wildcards, whatever overlaps is contained.
AccessPolicy::Relation AccessPolicy::Relate(const Pattern& pattern, std::string_view topic,
                                            const PolicyClient& client) {
  // No wildcard in the first level matches such a topic [MQTT-4.7.2-1], and no variable either: a
  // client id may be anything.
  if (topic.substr(0, 1) == "$" && !BeginsWithDollar(pattern)) return Relation::kApart;
  // Every topic has a first level, so "#" goes no further than "+/#".
  if (topic == "#" && pattern.size() == 2 && pattern[0].kind == LevelKind::kPlus &&
      pattern[1].kind == LevelKind::kHash) {
    return Relation::kContains;
  }
  Levels levels(topic);
  Relation relation = Relation::kContains;
  for (const Level& level : pattern) {
    if (level.kind == LevelKind::kHash) return relation;
    if (levels.done()) return Relation::kApart;
    const std::string_view text = levels.Next();
    if (text == "#") return Relation::kOverlaps;
    if (level.kind == LevelKind::kPlus) continue;
    if (text == "+") {
      relation = Relation::kOverlaps;
    } else if (!LevelMatches(level, text, client)) {
      return Relation::kApart;
    }
  }
  if (levels.done()) return relation;
  // "a/#" reaches "a" too, but no more of the pattern "a".
  return levels.Next() == "#" ? Relation::kOverlaps : Relation::kApart;
}

bool AccessPolicy::Allows(TopicAction action, std::string_view topic,
                          const PolicyClient& client) const {
  for (const Entry& entry : entries_[static_cast<size_t>(action)]) {
    const Relation relation = Relate(entry.pattern, topic, client);
    if (relation == Relation::kApart) continue;
    if (entry.effect == PolicyRule::Effect::kDeny) return false;
    if (relation == Relation::kContains) return true;
  }
  return false;
}

bool AccessPolicy::empty() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const std::vector<Entry>& entries) { return entries.empty(); });
}

}  // namespace homeport::auth
