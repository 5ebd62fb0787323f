#include "services/registry/core/publish.h"

#include <algorithm>
#include <utility>

#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

constexpr uint32_t kQos = 1;

internal::v1::InboxItem MakeDeliver(uint64_t session, uint64_t epoch, std::string_view topic,
                                    std::string_view payload) {
  internal::v1::InboxItem item;
  internal::v1::Deliver& deliver = *item.mutable_deliver();
  deliver.set_session(session);
  deliver.set_epoch(epoch);
  deliver.set_topic(topic.data(), topic.size());
  deliver.set_payload(payload.data(), payload.size());
  deliver.set_qos(kQos);
  return item;
}

internal::v1::InboxItem MakeChange(const ApplyContext& context, internal::v1::DeviceChange change) {
  const DeviceState& device = context.device;
  change.set_device(device.id);
  change.set_product(device.product);
  change.set_model_version(device.model_version);
  change.set_version(device.classic.document.version);
  change.set_online(device.online);
  internal::v1::InboxItem item;
  *item.mutable_change() = std::move(change);
  return item;
}

// Calls each(pod, session, epoch, whether the message came through it) for the device's sessions,
// then for its hub's. A client is known by its name: what is left of its earlier sessions, and a
// session of which the registry has not heard yet, are no others.
template <typename Each>
void ForEachSession(const ApplyContext& context, Each each) {
  const bool by_hub = !context.message.hub().empty();
  for (const SessionRow& row : context.device.sessions) {
    each(row.pod, row.session, row.epoch, !by_hub && row.client == context.message.client());
  }
  const ChildState* child = context.device.child.get();
  if (child == nullptr || !child->hub_online || child->hub_pod.empty()) return;
  each(child->hub_pod, child->hub_session, child->hub_epoch, by_hub);
}

}  // namespace

void PublishToDevice(const ApplyContext& context, std::string_view topic,
                     std::string_view payload) {
  bool is_first = !context.device.sessions.empty();
  ForEachSession(context, [&](const std::string& pod, uint64_t session, uint64_t epoch, bool) {
    internal::v1::InboxItem item = MakeDeliver(session, epoch, topic, payload);
    item.mutable_deliver()->set_first(std::exchange(is_first, false));
    context.downlinks.Add(pod, item);
  });
}

void PublishToOthers(const ApplyContext& context, std::string_view topic,
                     std::string_view payload) {
  ForEachSession(context,
                 [&](const std::string& pod, uint64_t session, uint64_t epoch, bool is_sender) {
                   if (!is_sender)
                     context.downlinks.Add(pod, MakeDeliver(session, epoch, topic, payload));
                 });
}

bool HasOthers(const ApplyContext& context) {
  bool found = false;
  ForEachSession(context, [&](const std::string&, uint64_t, uint64_t, bool is_sender) {
    found |= !is_sender;
  });
  return found;
}

void PublishToSender(const ApplyContext& context, std::string_view topic,
                     std::string_view payload) {
  const auto& message = context.message;
  if (message.epoch() == 0) return;
  context.downlinks.Add(context.pod,
                        MakeDeliver(message.session(), message.epoch(), topic, payload));
}

bool IsWatched(const ApplyContext& context) {
  const auto& watchers = context.device.watchers;
  return std::any_of(watchers.begin(), watchers.end(),
                     [&](const Watcher& w) { return w.expires_ms > context.now_ms; });
}

void TellWatchers(const ApplyContext& context, internal::v1::DeviceChange change) {
  if (!IsWatched(context)) return;
  const internal::v1::InboxItem item = MakeChange(context, std::move(change));
  for (const Watcher& watcher : context.device.watchers) {
    if (watcher.expires_ms > context.now_ms) context.downlinks.Add(watcher.pod, item);
  }
}

void TellWatcher(const ApplyContext& context, std::string_view pod,
                 internal::v1::DeviceChange change) {
  context.downlinks.Add(pod, MakeChange(context, std::move(change)));
}

void AnswerApi(const ApplyContext& context, internal::v1::ApiAnswer answer) {
  answer.set_correlation(context.message.correlation());
  answer.set_online(context.device.online);
  internal::v1::InboxItem item;
  *item.mutable_api_answer() = std::move(answer);
  context.downlinks.Add(context.pod, item);
}

bool HasSessions(const DeviceState& device) {
  return !device.sessions.empty() || (device.child != nullptr && device.child->hub_online);
}

std::string ShadowTopic(std::string_view device, std::string_view shadow, std::string_view rest) {
  if (shadow.empty()) return fmt::format("$aws/things/{}/shadow/{}", device, rest);
  return fmt::format("$aws/things/{}/shadow/name/{}/{}", device, shadow, rest);
}

}  // namespace homeport::registry
