#include "services/registry/core/apply.h"

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "services/registry/core/plain_text.h"

namespace homeport::registry {

using internal::v1::UplinkMessage;

namespace {

// A gateway that was slow to append may do so after the device has connected again and sent the
// same once more; what it appends then was never acknowledged. Of QoS 2 the device is told that it
// was.
bool IsOvertaken(const ApplyContext& context) {
  const UplinkMessage& message = context.message;
  return message.epoch() != 0 && message.epoch() < context.device.epoch &&
         message.client().empty() && !message.once();
}

// A request about a shadow that cannot be, which deserves an answer all the same.
bool IsMisnamedRequest(const UplinkMessage& message) {
  const std::string_view shadow = ShadowNameOf(message);
  return !shadow.empty() && !IsValidShadowName(shadow) && IsPlainText(shadow) &&
         message.kind() != UplinkMessage::KIND_SHADOW_LISTEN;
}

bool HasUsableDetail(const UplinkMessage& message) {
  const std::string_view shadow = ShadowNameOf(message);
  return (shadow.empty() || IsValidShadowName(shadow) ||
          (message.kind() == UplinkMessage::KIND_SHADOW_LISTEN && shadow == kEveryNamedShadow)) &&
         IsPlainText(message.detail());
}

}  // namespace

void ApplyMessage(const ApplyContext& context) {
  const auto kind = context.message.kind();
  if (kind > 0 && static_cast<size_t>(kind) < kMessageKinds) {
    ++context.effects.tally.messages[static_cast<size_t>(kind)];
  } else {
    ++context.effects.tally.messages[0];
  }
  if (kind == UplinkMessage::KIND_PROVISION) {  // of a claim, which is no device
    context.effects.provisions.push_back({context.pod, &context.message});
    return;
  }
  if (!context.message.hub().empty()) {
    if (!NoteChild(context)) return;
  } else if (kind != UplinkMessage::KIND_CONNECTED && kind != UplinkMessage::KIND_DISCONNECTED) {
    NoteSession(context);
    if (IsOvertaken(context)) {
      ++context.effects.tally.overtaken;
      return;
    }
  }
  if (IsMisnamedRequest(context.message)) return RejectShadowName(context);
  if (!HasUsableDetail(context.message)) {
    return Refuse(context, Refusal::kInvalidName, "not a name for a shadow or a channel");
  }
  SettleModel(context);
  switch (kind) {
    case UplinkMessage::KIND_CONNECTED:
      return ApplyConnected(context);
    case UplinkMessage::KIND_DISCONNECTED:
      return ApplyDisconnected(context);
    case UplinkMessage::KIND_PROPERTIES:
      return ApplyReport(context);
    case UplinkMessage::KIND_EVENT:
      return ApplyEvent(context);
    case UplinkMessage::KIND_TELEMETRY:
      return ApplyTelemetry(context);
    case UplinkMessage::KIND_SHADOW_GET:
      return ApplyShadowGet(context);
    case UplinkMessage::KIND_SHADOW_UPDATE:
      return ApplyShadowUpdate(context);
    case UplinkMessage::KIND_SHADOW_DELETE:
      return ApplyShadowDelete(context);
    case UplinkMessage::KIND_SHADOW_LISTEN:
      return ApplyShadowListen(context);
    case UplinkMessage::KIND_WATCH:
      return ApplyWatch(context);
    case UplinkMessage::KIND_UNWATCH:
      return ApplyUnwatch(context);
    case UplinkMessage::KIND_WATCH_RENEW:
      return ApplyWatchRenew(context);
    case UplinkMessage::KIND_TOPOLOGY:
      return ApplyTopology(context);
    case UplinkMessage::KIND_ATTACH:
      return ApplyAttach(context);
    case UplinkMessage::KIND_DETACH:
      return ApplyDetach(context);
    case UplinkMessage::KIND_HUB_SESSION:
      return ApplyHubSession(context);
    case UplinkMessage::KIND_CHILD_JOINED:
      return ApplyChildJoined(context);
    case UplinkMessage::KIND_CHILD_LEFT:
      return ApplyChildLeft(context);
    case UplinkMessage::KIND_PRESENCE_CHECK:
      return ApplyPresenceCheck(context);
    case UplinkMessage::KIND_REPLIED:
      return;  // noted above
    default:
      return Refuse(context, Refusal::kUnknownKind, "a kind this program does not know");
  }
}

void Refuse(const ApplyContext& context, Refusal reason, std::string_view detail) {
  context.effects.tally.Refuse(reason);
  log::Refusal("message_refused",
               {{"device", context.device.id}, {"reason", ToText(reason)}, {"detail", detail}});
}

int64_t BelievedTime(const ApplyContext& context, std::optional<int64_t> said_ms) {
  constexpr int64_t kDayMs = 86'400'000;
  const int64_t received_ms = context.message.received_ms();
  const int64_t said = said_ms.value_or(received_ms);
  return said > received_ms - kDayMs && said < received_ms + kDayMs ? said : received_ms;
}

const Product* ProductOf(const ApplyContext& context) {
  return context.device.product.empty() ? nullptr : context.products.Find(context.device.product);
}

std::string_view ShadowNameOf(const UplinkMessage& message) {
  switch (message.kind()) {
    case UplinkMessage::KIND_SHADOW_GET:
    case UplinkMessage::KIND_SHADOW_UPDATE:
    case UplinkMessage::KIND_SHADOW_DELETE:
    case UplinkMessage::KIND_SHADOW_LISTEN:
      return message.detail();
    default:
      return {};
  }
}

}  // namespace homeport::registry
