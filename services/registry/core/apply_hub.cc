#include <algorithm>
#include <string>
#include <utility>

#include "libs/auth/credentials.h"
#include "libs/base/ids.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/links.h"
#include "services/registry/core/payload.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/report.h"

// The hub's end of the topology: which children it has, and telling them where it is.
namespace homeport::registry {
namespace {

using internal::v1::UplinkMessage;

constexpr size_t kEntriesMax = 100;  // of one topology message

const SessionRow* MainSession(const DeviceState& device) {
  const auto at = std::find_if(device.sessions.begin(), device.sessions.end(),
                               [](const SessionRow& row) { return row.client.empty(); });
  return at == device.sessions.end() ? nullptr : &*at;
}

// While a connection that broke off is awaited, the children know the hub as it was.
internal::v1::HubSession HubSessionOf(const DeviceState& device) {
  internal::v1::HubSession hub;
  hub.set_epoch(device.epoch);
  if (const SessionRow* main = MainSession(device)) {
    hub.set_online(true);
    hub.set_epoch(main->epoch);
    hub.set_pod(main->pod);
    hub.set_session(main->session);
  }
  return hub;
}

void SendToChild(const ApplyContext& context, std::string_view child, UplinkMessage message) {
  message.set_device(std::string(child));
  message.set_received_ms(context.message.received_ms());
  context.downlinks.AddUplink(routing::PartitionOf(child, context.limits.partitions), message);
}

void ChildrenChanged(const ApplyContext& context, std::string_view child) {
  DeviceState& device = context.device;
  device.hub->dirty.emplace_back(child);
  device.dirty_topology = true;
  context.effects.Changed(device);
}

void Detach(const ApplyContext& context, std::string_view child, bool tell) {
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_DETACH);
  message.set_detail(context.device.id);
  if (tell) message.set_payload(HubSessionOf(context.device).SerializeAsString());
  SendToChild(context, child, std::move(message));
}

// What is wrong with a child that a hub names; "" when it was asked for.
std::string_view AskFor(const ApplyContext& context, const json::Value& entry) {
  const json::Object* object = entry.IfObject();
  if (object == nullptr) return "not an object";
  const json::Value* did = object->Find("did");
  const std::string* child = did == nullptr ? nullptr : did->IfString();
  if (child == nullptr || !auth::IsDeviceName(*child)) return "did: not a device id";
  const json::Value* product = object->Find("product");
  const std::string* product_id = product == nullptr ? nullptr : product->IfString();
  if (product_id != nullptr && !IsValidProductId(*product_id)) return "product: not a product id";
  const json::Value* link = object->Find("link");
  const std::string* link_name = link == nullptr ? nullptr : link->IfString();
  const auto silence = SilenceOfLink(link_name == nullptr ? "" : *link_name);
  if (!silence) return "link: not one of ours";
  internal::v1::Attach attach;
  attach.set_hub(context.device.id);
  attach.set_tenant(context.device.tenant);
  if (product_id != nullptr) attach.set_product(*product_id);
  attach.set_link(*link_name);
  attach.set_silence_ms(*silence);
  if (const auto seconds = object->FindInt64("silence_s"); seconds && *seconds > 0) {
    attach.set_silence_ms(std::min(*seconds, kSilenceMsMax / 1000) * 1000);
  }
  *attach.mutable_asker() = HubSessionOf(context.device);
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_ATTACH);
  message.set_payload(attach.SerializeAsString());
  SendToChild(context, *child, std::move(message));
  return "";
}

void Complain(const ApplyContext& context, std::string_view complaint) {
  Refuse(context, Refusal::kMalformedPayload, complaint);
  PublishToSender(context, fmt::format("device/{}/down/refused", context.device.id),
                  RefusedAnswer({}, model::Code::kWrongValue, complaint, {}));
}

}  // namespace

void PassListenOn(const ApplyContext& context, std::string_view child) {
  const HubState* hub = context.device.hub.get();
  if (hub == nullptr) return;
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_SHADOW_LISTEN);
  message.set_detail(context.message.detail());
  message.set_payload(std::string(kHubListens));
  for (const std::string& known : hub->children) {
    if (child == "+" || child == known) SendToChild(context, known, message);
  }
}

void TellChild(const ApplyContext& context, std::string_view child) {
  UplinkMessage message;
  message.set_kind(UplinkMessage::KIND_HUB_SESSION);
  message.set_detail(context.device.id);
  message.set_payload(HubSessionOf(context.device).SerializeAsString());
  SendToChild(context, child, std::move(message));
}

void TellChildren(const ApplyContext& context) {
  const DeviceState& device = context.device;
  if (device.hub == nullptr || device.broke_off_ms > 0) return;
  for (const std::string& child : device.hub->children) TellChild(context, child);
}

void ApplyTopology(const ApplyContext& context) {
  json::Value document;
  if (const std::string_view complaint = ReadPayload(context.message, document);
      !complaint.empty()) {
    return Complain(context, complaint);
  }
  const DeviceState& device = context.device;
  const Product* product = ProductOf(context);
  const json::Object* root = document.IfObject();
  if (root == nullptr) return Complain(context, "no object");
  if (!device.registered || product == nullptr || !product->is_hub || device.child != nullptr) {
    Refuse(context, Refusal::kTopologyRefused, "the device is no hub");
    return PublishToSender(context, fmt::format("device/{}/down/refused", device.id),
                           RefusedAnswer({}, model::Code::kNotAuthorized, "no hub", {}));
  }
  static const json::Array kNone;
  const json::Array* add = root->FindArray("add");
  const json::Array* remove = root->FindArray("remove");
  if (add == nullptr) add = &kNone;
  if (remove == nullptr) remove = &kNone;
  if (add->size() + remove->size() > kEntriesMax)
    return Complain(context, "more than 100 children");
  for (const json::Value& entry : *add) {
    if (const std::string_view complaint = AskFor(context, entry); !complaint.empty()) {
      Complain(context, complaint);
    }
  }
  for (const json::Value& entry : *remove) {
    const std::string* child = entry.IfString();
    if (child == nullptr || !IsValidDeviceId(*child)) {
      Complain(context, "remove: not a device id");
    } else {
      Detach(context, *child, true);
    }
  }
}

void ApplyChildJoined(const ApplyContext& context) {
  DeviceState& device = context.device;
  const std::string& child = context.message.detail();
  const bool room = device.hub == nullptr || device.hub->children.contains(child) ||
                    device.hub->children.size() < context.limits.children_max;
  if (!room) Refuse(context, Refusal::kTooManyChildren, "the hub has too many children");
  if (!room || !device.registered || device.child != nullptr) {
    return Detach(context, child, false);
  }
  if (device.hub == nullptr) device.hub = std::make_unique<HubState>();
  if (device.hub->children.insert(child).second) ChildrenChanged(context, child);
  TellChild(context, child);
}

void ApplyChildLeft(const ApplyContext& context) {
  DeviceState& device = context.device;
  const std::string& child = context.message.detail();
  if (device.hub == nullptr || device.hub->children.erase(child) == 0) return;
  ChildrenChanged(context, child);
}

}  // namespace homeport::registry
