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

// Calls each(pod, session, epoch) for those of the device, then for its hub's.
template <typename Each>
void ForEachSession(const DeviceState& device, Each each) {
  for (const SessionRow& row : device.sessions) each(row.pod, row.session, row.epoch);
  const ChildState* child = device.child.get();
  if (child == nullptr || !child->hub_online || child->hub_pod.empty()) return;
  each(child->hub_pod, child->hub_session, child->hub_epoch);
}

bool IsSender(const ApplyContext& context, std::string_view pod, uint64_t session, uint64_t epoch) {
  return context.message.session() == session && context.message.epoch() == epoch &&
         context.pod == pod;
}

}  // namespace

void PublishToDevice(const ApplyContext& context, std::string_view topic,
                     std::string_view payload) {
  bool is_first = !context.device.sessions.empty();
  ForEachSession(context.device, [&](const std::string& pod, uint64_t session, uint64_t epoch) {
    internal::v1::InboxItem item = MakeDeliver(session, epoch, topic, payload);
    item.mutable_deliver()->set_first(std::exchange(is_first, false));
    context.downlinks.Add(pod, item);
  });
}

void PublishToOthers(const ApplyContext& context, std::string_view topic,
                     std::string_view payload) {
  ForEachSession(context.device, [&](const std::string& pod, uint64_t session, uint64_t epoch) {
    if (IsSender(context, pod, session, epoch)) return;
    context.downlinks.Add(pod, MakeDeliver(session, epoch, topic, payload));
  });
}

bool HasOthers(const ApplyContext& context) {
  bool found = false;
  ForEachSession(context.device, [&](const std::string& pod, uint64_t session, uint64_t epoch) {
    found |= !IsSender(context, pod, session, epoch);
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
