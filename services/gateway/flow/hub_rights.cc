#include "services/gateway/flow/hub_rights.h"

#include "libs/base/ids.h"
#include "services/gateway/identity/directory.h"

namespace homeport::gateway {

bool IsHub(const Session& session) {
  return session.identity->product != nullptr && session.identity->product->is_hub;
}

std::string_view ChildOf(const Session& session, std::string_view name, auth::Topic& topic) {
  if (topic.topic_class != auth::TopicClass::kForeign || !IsHub(session)) return {};
  const std::string_view child = auth::DeviceOf(name);
  if (!IsValidDeviceId(child)) return {};
  const auth::Topic meaning = auth::Classify(name, child);
  if (!auth::MayPublishForChild(meaning.topic_class)) return {};
  topic = meaning;
  return child;
}

bool IsOwnFilter(const Session& session, std::string_view filter) {
  return auth::MaySubscribe(filter, session.identity->device) ||
         (auth::IsDeviceFilter(filter) && IsHub(session));
}

}  // namespace homeport::gateway
