#include "services/gateway/flow/permissions.h"

#include "services/gateway/identity/directory.h"
#include "services/gateway/inspect/lifecycle_event.h"

namespace homeport::gateway {
namespace {

bool Allows(const Identity& identity, auth::TopicAction action, std::string_view topic) {
  if (identity.product == nullptr) return false;
  return identity.product->policy.Allows(
      action, topic,
      {identity.device, identity.product->product, identity.product->tenant, identity.client});
}

// What only servers say to clients (MQTT 5, 4.7.2), and what could not be followed.
bool IsServers(std::string_view topic) {
  for (const std::string_view prefix :
       {std::string_view("$SYS/"), std::string_view("$share/"), kEventTopics}) {
    if (topic.substr(0, prefix.size()) == prefix) return true;
  }
  return false;
}

}  // namespace

bool MayBroadcast(const GatewayConfig& config, const Identity& identity,
                  auth::TopicClass topic_class, std::string_view topic, bool retain) {
  switch (topic_class) {
    case auth::TopicClass::kGeneral:
      return config.anonymous || (Allows(identity, auth::TopicAction::kPublish, topic) &&
                                  (!retain || Allows(identity, auth::TopicAction::kRetain, topic)));
    case auth::TopicClass::kForeign:
      return config.anonymous && !auth::IsShadowAnswer(topic);
    case auth::TopicClass::kReserved:
      return config.anonymous && !IsServers(topic);
    case auth::TopicClass::kOwnUnknown:
      return config.anonymous;
    default:
      return false;
  }
}

bool MayFollow(const GatewayConfig& config, const Identity& identity, std::string_view filter) {
  if (config.anonymous) return filter != config.anonymous_denied_filter;
  const bool is_for_policy =
      auth::ClassifyFilter(filter, identity.device) == auth::FilterClass::kGeneral ||
      filter.substr(0, kEventTopics.size()) == kEventTopics;
  return is_for_policy && Allows(identity, auth::TopicAction::kSubscribe, filter);
}

}  // namespace homeport::gateway
