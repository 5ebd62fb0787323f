#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/auth/access_policy.h"
#include "libs/base/check.h"
#include "libs/mqtt/topic.h"

// Three lines: a policy's filter, a topic or filter that is asked for, a client id. One rule
// decides as the MQTT matcher does on the filter with its variables filled in.
namespace homeport::auth {
namespace {

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

std::string Filled(std::string filter, std::string_view client) {
  constexpr std::string_view kVariable = "${client}";
  size_t from = 0;
  for (size_t at = filter.find(kVariable); at != std::string::npos;
       at = filter.find(kVariable, from)) {
    filter.replace(at, kVariable.size(), client);
    from = at + client.size();
  }
  return filter;
}

void Check(const std::string& filter, std::string_view wanted, std::string_view client) {
  const PolicyClient who{"d", "p", "t", client};
  PolicyRule rule{
      PolicyRule::Effect::kAllow, {TopicAction::kPublish, TopicAction::kSubscribe}, {filter}};
  const auto allowing = AccessPolicy::Compile({rule});
  if (!allowing.ok()) return;
  const bool plain_client =
      !client.empty() && client.find_first_of("/+#${}") == std::string_view::npos;
  const bool may = allowing->Allows(TopicAction::kPublish, wanted, who);
  if (mqtt::IsValidTopicName(wanted) && plain_client && wanted.front() != '$' &&
      filter.find("${d") == std::string::npos && filter.find("${p") == std::string::npos &&
      filter.find("${t") == std::string::npos) {
    HP_CHECK(may == mqtt::Matches(Filled(filter, client), wanted));
  }
  if (!mqtt::IsValidTopicFilter(wanted)) return;
  // What an allowing rule grants, a denying one takes, and the other way round.
  const bool subscribes = allowing->Allows(TopicAction::kSubscribe, wanted, who);
  rule.effect = PolicyRule::Effect::kDeny;
  const auto both =
      AccessPolicy::Compile({{PolicyRule::Effect::kAllow, {TopicAction::kSubscribe}, {"#"}}, rule});
  HP_CHECK(both.ok());
  HP_CHECK(!subscribes || !both->Allows(TopicAction::kSubscribe, wanted, who));
}

}  // namespace
}  // namespace homeport::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string filter(homeport::auth::TakeLine(rest));
  const std::string_view wanted = homeport::auth::TakeLine(rest);
  if (!wanted.empty()) homeport::auth::Check(filter, wanted, homeport::auth::TakeLine(rest));
  return 0;
}
