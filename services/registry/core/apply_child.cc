#include <algorithm>
#include <string>
#include <utility>

#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/links.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/core/presence.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/report.h"

// The child's end of the topology: its owner alone says whose child a device is, and keeps what is
// known of the hub.
namespace homeport::registry {
namespace {

using internal::v1::UplinkMessage;

constexpr uint32_t kOk = 200;
constexpr uint32_t kForbidden = 403;
constexpr uint32_t kNoDevice = 404;
constexpr uint32_t kConflict = 409;
constexpr uint32_t kQuota = 429;

void ChildChanged(const ApplyContext& context) {
  context.device.dirty_child = true;
  context.effects.Changed(context.device);
}

void TopologyChanged(const ApplyContext& context) {
  context.device.dirty_topology = true;
  ChildChanged(context);
}

void TellHub(const ApplyContext& context, std::string_view hub, UplinkMessage::Kind kind) {
  UplinkMessage news;
  news.set_kind(kind);
  news.set_device(std::string(hub));
  news.set_detail(context.device.id);
  news.set_received_ms(context.message.received_ms());
  context.downlinks.AddUplink(routing::PartitionOf(hub, context.limits.partitions), news);
}

void Seen(const ApplyContext& context) {
  ChildState& child = *context.device.child;
  child.seen_ms = std::max(child.seen_ms, std::min(context.message.received_ms(), context.now_ms));
  if (child.seen_ms - child.seen_stored_ms >= SeenGrainMs(child)) ChildChanged(context);
}

void PutHubSession(const ApplyContext& context, const internal::v1::HubSession& hub) {
  ChildState& child = *context.device.child;
  child.hub_epoch = hub.epoch();
  child.hub_online = hub.online();
  child.hub_pod = hub.pod();
  child.hub_session = hub.session();
  ChildChanged(context);
}

// Whoever asked is told: the gRPC caller, or the hub.
void Answer(const ApplyContext& context, const internal::v1::HubSession& asker,
            std::string_view hub, uint32_t code, std::string_view message) {
  if (code != kOk) Refuse(context, Refusal::kTopologyRefused, message);
  if (context.message.correlation() != 0) {
    internal::v1::ApiAnswer answer;
    answer.set_code(code);
    answer.set_message(std::string(message));
    return AnswerApi(context, std::move(answer));
  }
  if (asker.pod().empty()) return;
  internal::v1::InboxItem item;
  internal::v1::Deliver& deliver = *item.mutable_deliver();
  deliver.set_session(asker.session());
  deliver.set_epoch(asker.epoch());
  deliver.set_topic(fmt::format("device/{}/down/topology", hub));
  deliver.set_payload(
      fmt::format(R"({{"did":"{}","code":{},"message":"{}"}})", context.device.id, code, message));
  deliver.set_qos(1);
  context.downlinks.Add(asker.pod(), item);
}

// Why a device cannot become the hub's child; 0: it can.
struct Verdict {
  uint32_t code = 0;
  std::string_view why = {};
};
Verdict Judge(const ApplyContext& context, const internal::v1::Attach& attach) {
  const DeviceState& device = context.device;
  if (attach.hub() == device.id) return {kConflict, "a device is not its own child"};
  if (device.hub != nullptr && !device.hub->children.empty()) {
    return {kConflict, "a hub with children is nobody's child"};
  }
  if (device.registered) {
    if (device.tenant != attach.tenant()) return {kNoDevice, "no such device"};
    if (device.blocked) return {kConflict, "the device is disabled, retired or deleted"};
    if (!attach.product().empty() && attach.product() != device.product) {
      return {kConflict, "the device is of another product"};
    }
    const bool moves = device.child != nullptr && device.child->hub != attach.hub();
    if (moves && !attach.may_move()) return {kConflict, "the device is the child of another hub"};
    return {};
  }
  const Product* product =
      attach.product().empty() ? nullptr : context.products.Find(attach.product());
  if (product == nullptr || product->tenant != attach.tenant()) {
    return {kNoDevice, "no such device, and no such product"};
  }
  if (!product->allow_unregistered && !attach.may_register()) {
    return {kForbidden, "devices of this product are registered by hand"};
  }
  if (!context.products.HasRoom(attach.tenant())) {
    return {kQuota, "the tenant has used up its quota of devices"};
  }
  return {};
}

}  // namespace

bool NoteChild(const ApplyContext& context) {
  const auto& message = context.message;
  ChildState* child = context.device.child.get();
  const bool is_child = child != nullptr && child->hub == message.hub();
  if (!is_child || context.device.blocked) {
    is_child
        ? Refuse(context, Refusal::kBlocked, "the child is disabled, retired or deleted")
        : Refuse(context, Refusal::kNotChild, "came through a hub whose child the device is not");
    PublishToSender(context, fmt::format("device/{}/down/refused", context.device.id),
                    RefusedAnswer({}, model::Code::kNotAuthorized,
                                  model::ToText(model::Code::kNotAuthorized), {}));
    return false;
  }
  // Epochs tell of the hub's main session; its other clients only bring news of the child.
  const bool by_main = message.client().empty();
  const bool is_late = message.epoch() < child->hub_epoch && context.pod != child->hub_pod;
  if (by_main && is_late && !message.once()) {
    ++context.effects.tally.overtaken;
    return false;
  }
  if (by_main && IsNewer({message.epoch(), true}, {child->hub_epoch, child->hub_online})) {
    internal::v1::HubSession hub;
    hub.set_online(true);
    hub.set_epoch(message.epoch());
    hub.set_pod(std::string(context.pod));
    hub.set_session(message.session());
    PutHubSession(context, hub);
  }
  Seen(context);
  ReviewPresence(context);
  return true;
}

void ApplyAttach(const ApplyContext& context) {
  internal::v1::Attach attach;
  if (!attach.ParseFromString(context.message.payload()) || !IsPlainText(attach.hub())) {
    return Refuse(context, Refusal::kMalformedPayload, "not an Attach");
  }
  if (const Verdict verdict = Judge(context, attach); verdict.code != 0) {
    return Answer(context, attach.asker(), attach.hub(), verdict.code, verdict.why);
  }
  DeviceState& device = context.device;
  if (!device.registered) {
    device.registered = true;
    device.newly_registered = true;
    device.product = attach.product();
    device.tenant = attach.tenant();
  }
  if (device.child != nullptr && device.child->hub != attach.hub()) {
    TellHub(context, device.child->hub, UplinkMessage::KIND_CHILD_LEFT);
    device.child.reset();
  }
  if (device.child == nullptr) device.child = std::make_unique<ChildState>();
  device.child->hub = attach.hub();
  device.child->link = attach.link();
  device.child->silence_ms = std::clamp(attach.silence_ms(), kSilenceMsMin, kSilenceMsMax);
  TopologyChanged(context);
  TellHub(context, attach.hub(), UplinkMessage::KIND_CHILD_JOINED);
  ReviewPresence(context);
  Answer(context, attach.asker(), attach.hub(), kOk, "attached");
}

void ApplyDetach(const ApplyContext& context) {
  DeviceState& device = context.device;
  internal::v1::HubSession asker;
  if (!asker.ParseFromString(context.message.payload())) {
    return Refuse(context, Refusal::kMalformedPayload, "not a HubSession");
  }
  const std::string& hub = context.message.detail();
  if (device.child == nullptr || device.child->hub != hub) {
    // The hub may think otherwise.
    TellHub(context, hub, UplinkMessage::KIND_CHILD_LEFT);
    return Answer(context, asker, hub, kNoDevice, "not a child of this hub");
  }
  device.child.reset();
  TopologyChanged(context);
  TellHub(context, hub, UplinkMessage::KIND_CHILD_LEFT);
  ReviewPresence(context);
  Answer(context, asker, hub, kOk, "detached");
}

void ApplyHubSession(const ApplyContext& context) {
  internal::v1::HubSession news;
  if (!news.ParseFromString(context.message.payload()) || !IsPlainText(news.pod())) {
    return Refuse(context, Refusal::kMalformedPayload, "not a HubSession");
  }
  const ChildState* child = context.device.child.get();
  const std::string& hub = context.message.detail();
  if (child == nullptr || child->hub != hub) {
    return TellHub(context, hub, UplinkMessage::KIND_CHILD_LEFT);
  }
  if (!IsNewer({news.epoch(), news.online()}, {child->hub_epoch, child->hub_online})) {
    ++context.effects.tally.stale_epochs;
    return;
  }
  PutHubSession(context, news);
  // Every child is published when its hub is back, whether or not that changes it (MIoT-Spec-V2).
  ReviewPresence(context, news.online() ? TellPresence::kAlways : TellPresence::kIfChanged);
}

}  // namespace homeport::registry
