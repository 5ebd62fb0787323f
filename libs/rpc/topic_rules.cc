#include "libs/rpc/topic_rules.h"

#include <utility>

namespace homeport::rpc {

using product::v1::TopicRule;

std::vector<auth::PolicyRule> ToRules(const product::v1::TopicPolicy& policy) {
  std::vector<auth::PolicyRule> rules;
  for (const TopicRule& given : policy.rules()) {
    auth::PolicyRule rule;
    if (given.effect() == TopicRule::EFFECT_ALLOW) rule.effect = auth::PolicyRule::Effect::kAllow;
    for (const int action : given.actions()) {
      if (action == TopicRule::ACTION_PUBLISH) rule.actions.push_back(auth::TopicAction::kPublish);
      if (action == TopicRule::ACTION_RETAIN) rule.actions.push_back(auth::TopicAction::kRetain);
      if (action == TopicRule::ACTION_SUBSCRIBE) {
        rule.actions.push_back(auth::TopicAction::kSubscribe);
      }
    }
    rule.filters.assign(given.filters().begin(), given.filters().end());
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace homeport::rpc
