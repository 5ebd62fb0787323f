#include "libs/auth/access_policy.h"

#include <catch2/catch.hpp>
#include <random>

#include "libs/base/strings.h"
#include "libs/mqtt/topic.h"

namespace homeport::auth {
namespace {

using Effect = PolicyRule::Effect;
constexpr TopicAction kPublish = TopicAction::kPublish;
constexpr TopicAction kSubscribe = TopicAction::kSubscribe;
constexpr PolicyClient kClient{"lamp-1", "test.lamp", "acme", "lamp-1-app"};

AccessPolicy Compiled(const std::vector<PolicyRule>& rules) {
  absl::StatusOr<AccessPolicy> policy = AccessPolicy::Compile(rules);
  REQUIRE(policy.ok());
  return *std::move(policy);
}

TEST_CASE("no policy allows nothing") {
  CHECK(AccessPolicy().empty());
  CHECK_FALSE(AccessPolicy().Allows(kPublish, "a", kClient));
}

TEST_CASE("topics against one filter") {
  struct Row {
    const char* filter;
    const char* topic;
    bool allowed;
  };
  for (const Row& row : {
           Row{"home/${device}/state", "home/lamp-1/state", true},
           Row{"home/${device}/state", "home/lamp-2/state", false},
           Row{"home/${device}/state", "home/lamp-1/state/x", false},
           Row{"home/${device}/state", "home/lamp-1", false},
           Row{"${tenant}/${product}/#", "acme/test.lamp/a/b", true},
           Row{"${tenant}/${product}/#", "acme/test.lamp", true},
           Row{"${tenant}/${product}/#", "acme/test.plug", false},
           Row{"of-${client}.x", "of-lamp-1-app.x", true},
           Row{"of-${client}.x", "of-lamp-1.x", false},
           Row{"+/in", "any/in", true},
           Row{"+/in", "any/where/in", false},
           Row{"a//b", "a//b", true},
           Row{"a/+/b", "a//b", true},
           Row{"#", "a", true},
       }) {
    INFO(row.filter << " " << row.topic);
    const AccessPolicy policy = Compiled({{Effect::kAllow, {kPublish}, {row.filter}}});
    CHECK(policy.Allows(kPublish, row.topic, kClient) == row.allowed);
    CHECK_FALSE(policy.Allows(kSubscribe, row.topic, kClient));
    CHECK_FALSE(policy.Allows(TopicAction::kRetain, row.topic, kClient));
  }
}

TEST_CASE("a subscription lies wholly within what is allowed, and touches nothing denied") {
  struct Row {
    const char* allow;
    const char* deny;
    const char* filter;
    bool allowed;
  };
  for (const Row& row : {
           Row{"a/#", "z", "a/#", true},
           Row{"a/#", "z", "a", true},
           Row{"a/#", "z", "a/+/c", true},
           Row{"a/+", "z", "a/#", false},
           Row{"a/b", "z", "a/+", false},
           Row{"a/+/c", "z", "a/b/c", true},
           Row{"#", "a/secret", "a/+", false},
           Row{"#", "a/secret", "#", false},
           Row{"#", "a/secret", "a/open", true},
           Row{"#", "a/secret/#", "a/secret", false},
           Row{"#", "a", "a/#", false},  // "a/#" matches "a" as well
           Row{"#", "a", "a/+", true},
           Row{"x/${device}/#", "z", "x/lamp-1/#", true},
           Row{"x/${device}/#", "z", "x/+/y", false},
       }) {
    INFO(row.allow << " but not " << row.deny << ": " << row.filter);
    const AccessPolicy policy = Compiled(
        {{Effect::kAllow, {kSubscribe}, {row.allow}}, {Effect::kDeny, {kSubscribe}, {row.deny}}});
    CHECK(policy.Allows(kSubscribe, row.filter, kClient) == row.allowed);
  }
}

TEST_CASE("the last rule that matches decides") {
  const AccessPolicy policy = Compiled({{Effect::kDeny, {kPublish}, {"a/#"}},
                                        {Effect::kAllow, {kPublish}, {"a/b/#"}},
                                        {Effect::kDeny, {kPublish}, {"a/b/c"}}});
  CHECK_FALSE(policy.Allows(kPublish, "a/x", kClient));
  CHECK(policy.Allows(kPublish, "a/b/x", kClient));
  CHECK_FALSE(policy.Allows(kPublish, "a/b/c", kClient));
}

TEST_CASE("what a variable stands for is one level, and no wildcard") {
  const AccessPolicy policy = Compiled({{Effect::kAllow, {kPublish, kSubscribe}, {"c/${client}"}}});
  for (const char* client : {"", "+", "#", "a/b", "a+", "x#"}) {
    INFO(client);
    const PolicyClient odd{"lamp-1", "test.lamp", "acme", client};
    CHECK_FALSE(policy.Allows(kPublish, std::string("c/") + client, odd));
    CHECK_FALSE(policy.Allows(kSubscribe, std::string("c/") + client, odd));
  }
}

TEST_CASE("of the topics that begin with $, lifecycle events may be followed") {
  const auto policy = AccessPolicy::Compile(
      {{Effect::kAllow, {kSubscribe}, {"#", "+/events/#", "${client}/events/#"}},
       {Effect::kAllow, {kSubscribe}, {"$aws/events/presence/+/${device}"}}});
  REQUIRE(policy.ok());
  const PolicyClient client{"lamp-1", "test.lamp", "acme", "$aws"};
  CHECK(policy->Allows(kSubscribe, "$aws/events/presence/connected/lamp-1", client));
  CHECK(policy->Allows(kSubscribe, "$aws/events/presence/+/lamp-1", client));
  for (const char* filter : {"$aws/events/#", "$aws/events/presence/connected/lamp-2",
                             "$aws/events/presence/+/+", "$aws/events/subscriptions/+/lamp-1"}) {
    INFO(filter);
    CHECK_FALSE(policy->Allows(kSubscribe, filter, client));
  }
  CHECK_FALSE(AccessPolicy::Compile({{Effect::kAllow, {kSubscribe}, {"$aws/things/#"}}}).ok());
  CHECK_FALSE(
      AccessPolicy::Compile({{Effect::kAllow, {kSubscribe, kPublish}, {"$aws/events/#"}}}).ok());
}

TEST_CASE("a policy that cannot be is refused with the place of the fault") {
  struct Row {
    PolicyRule rule;
    const char* message;
  };
  const std::string long_filter(257, 'x');
  for (const Row& row : {
           Row{{Effect::kAllow, {}, {"a"}}, "rules[1].actions: none is named"},
           Row{{Effect::kAllow, {kPublish}, {}}, "rules[1].filters: 1 to 20"},
           Row{{Effect::kAllow, {kPublish}, {"a", ""}}, "rules[1].filters[1]: is empty"},
           Row{{Effect::kAllow, {kPublish}, {"a/#/b"}}, "rules[1].filters[0]: # is the last level"},
           Row{{Effect::kAllow, {kPublish}, {"a+/b"}},
               "rules[1].filters[0]: a wildcard is a level of its own"},
           Row{{Effect::kAllow, {kPublish}, {"${home}"}},
               "rules[1].filters[0]: the variables are ${device}, ${product}, ${tenant}, "
               "${client}"},
           Row{{Effect::kAllow, {kPublish}, {"$SYS/#"}},
               "rules[1].filters[0]: topics that begin with $ are not a policy's to allow"},
           Row{{Effect::kAllow, {kPublish}, {"a\n"}},
               "rules[1].filters[0]: holds control characters"},
           Row{{Effect::kAllow, {kPublish}, {long_filter}},
               "rules[1].filters[0]: at most 256 bytes"},
       }) {
    const auto policy = AccessPolicy::Compile({{Effect::kAllow, {kPublish}, {"ok"}}, row.rule});
    CHECK(policy.status().message() == row.message);
  }
  CHECK(AccessPolicy::Compile(std::vector<PolicyRule>(101, {Effect::kAllow, {kPublish}, {"a"}}))
            .status()
            .message() == "rules: at most 100");
}

// ---- against a naive model: sets of topics, written out ----

using Random = std::minstd_rand;

std::string RandomFilter(Random& random, bool variables) {
  const std::vector<std::string> words =
      variables ? std::vector<std::string>{"a", "b", "+", "${device}", "x${client}"}
                : std::vector<std::string>{"a", "b", "+", "lamp-1", "xlamp-1-app"};
  std::string filter;
  const size_t levels = 1 + random() % 3;
  for (size_t i = 0; i < levels; ++i) {
    if (i > 0) filter += '/';
    if (i + 1 == levels && random() % 4 == 0) {
      filter += '#';
    } else {
      filter += words[random() % words.size()];
    }
  }
  return filter;
}

std::string Substituted(std::string filter) {
  for (const auto& [name, value] :
       {std::pair<std::string, std::string>{"${device}", "lamp-1"}, {"${client}", "lamp-1-app"}}) {
    for (size_t at = filter.find(name); at != std::string::npos; at = filter.find(name)) {
      filter.replace(at, name.size(), value);
    }
  }
  return filter;
}

// Every topic of up to four levels of the words that filters use, and one more word.
std::vector<std::string> Universe() {
  const std::vector<std::string> words = {"a", "b", "lamp-1", "xlamp-1-app", "other"};
  std::vector<std::string> all = words;
  std::vector<std::string> last = words;
  for (int depth = 1; depth < 4; ++depth) {
    std::vector<std::string> next;
    for (const std::string& topic : last) {
      for (const std::string& word : words) next.push_back(topic + "/" + word);
    }
    all.insert(all.end(), next.begin(), next.end());
    last = std::move(next);
  }
  return all;
}

bool NaiveAllows(const std::vector<PolicyRule>& rules, const std::vector<std::string>& topics,
                 const std::string& wanted) {
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    bool overlaps = false;
    bool contains = true;
    for (const std::string& topic : topics) {
      if (!mqtt::Matches(wanted, topic)) continue;
      const bool both = mqtt::Matches(Substituted(rule->filters[0]), topic);
      overlaps |= both;
      contains &= both;
    }
    if (!overlaps) continue;
    if (rule->effect == Effect::kDeny) return false;
    if (contains) return true;
  }
  return false;
}

TEST_CASE("the compiled policy decides as sets of topics do") {
  Random random(7);
  const std::vector<std::string> topics = Universe();
  int allowed = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<PolicyRule> rules;
    for (size_t i = 0; i < 1 + random() % 3; ++i) {
      rules.push_back({random() % 3 == 0 ? Effect::kDeny : Effect::kAllow,
                       {kPublish, kSubscribe},
                       {RandomFilter(random, true)}});
    }
    const AccessPolicy policy = Compiled(rules);
    const std::string filter = RandomFilter(random, false);
    INFO(rules.front().filters[0] << " … " << rules.back().filters[0] << ": " << filter);
    const bool naive = NaiveAllows(rules, topics, filter);
    CHECK(policy.Allows(kSubscribe, filter, kClient) == naive);
    const std::string& topic = topics[random() % topics.size()];
    CHECK(policy.Allows(kPublish, topic, kClient) == NaiveAllows(rules, topics, topic));
    allowed += naive ? 1 : 0;
  }
  CHECK(allowed > 30);  // the rounds say something
}

}  // namespace
}  // namespace homeport::auth
