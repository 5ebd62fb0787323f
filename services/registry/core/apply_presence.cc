#include <algorithm>
#include <utility>

#include "services/registry/core/apply.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/core/presence.h"
#include "services/registry/core/publish.h"

// Which sessions a device has (MIoT-Spec-V2). Epochs are given out per device by one counter, so of
// two pieces of news about a session the one with the higher epoch is the newer, whatever order
// the gateways' batches came in. What that means for its presence, presence.h says.
namespace homeport::registry {
namespace {

SessionRow* FindClient(DeviceState& device, std::string_view client) {
  const auto at = std::find_if(device.sessions.begin(), device.sessions.end(),
                               [&](const SessionRow& row) { return row.client == client; });
  return at == device.sessions.end() ? nullptr : &*at;
}

PresenceFacts FactsOf(const DeviceState& device) {
  PresenceFacts facts;
  facts.connected = !device.sessions.empty();
  facts.broke_off_ms = device.broke_off_ms;
  if (device.child != nullptr) {
    facts.is_child = true;
    facts.hub_online = device.child->hub_online;
    facts.seen_ms = device.child->seen_ms;
    facts.silence_ms = device.child->silence_ms;
  }
  return facts;
}

// A check that is due sooner than needed does no harm: it finds nothing, and arms the next. So a
// child that speaks moves no row.
void Arm(const ApplyContext& context, int64_t until_ms) {
  DeviceState& device = context.device;
  if (until_ms == 0 || !device.registered) return;
  if (device.check_ms > context.now_ms && device.check_ms <= until_ms) return;
  device.check_ms = until_ms;
  device.dirty_check = true;
  context.effects.Changed(device);
}

void CountChange(const ApplyContext& context) {
  Tally& tally = context.effects.tally;
  const DeviceState& device = context.device;
  ++(device.online ? tally.went_online : tally.went_offline);
  if (!device.online && device.child != nullptr && device.child->hub_online) ++tally.fell_silent;
}

bool IsDirty(const DeviceState& device, std::string_view client) {
  return std::find(device.dirty_clients.begin(), device.dirty_clients.end(), client) !=
         device.dirty_clients.end();
}

void SessionChanged(const ApplyContext& context, std::string_view client) {
  DeviceState& device = context.device;
  context.effects.Changed(device);
  const bool is_back = !device.sessions.empty() && device.broke_off_ms > 0;
  if (is_back) {
    device.broke_off_ms = 0;
    ++context.effects.tally.flaps;
  }
  ReviewPresence(context);
  // While a connection that broke off was awaited the children were told nothing. Another client
  // that joins meanwhile is not who they hang on.
  if (client.empty() || is_back) TellChildren(context);
}

void RaiseEpoch(const ApplyContext& context, uint64_t epoch) {
  if (epoch <= context.device.epoch) return;
  context.device.epoch = epoch;
  context.device.dirty_presence = true;
  context.effects.Changed(context.device);
}

void PutSession(const ApplyContext& context, std::string_view client) {
  DeviceState& device = context.device;
  SessionRow* row = FindClient(device, client);
  if (row == nullptr) {
    if (device.sessions.size() >= context.limits.sessions_max) {
      return Refuse(context, Refusal::kTooManySessions, "the device has too many sessions");
    }
    row = &device.sessions.emplace_back();
    row->client = client;
    row->may_be_stored = IsDirty(device, client);  // its row of before is not deleted yet
  }
  if (!IsDirty(device, client)) device.dirty_clients.emplace_back(client);
  row->pod = context.pod;
  row->session = context.message.session();
  row->epoch = context.message.epoch();
  row->since_ms = context.message.received_ms();
  if (client.empty()) RaiseEpoch(context, row->epoch);
  SessionChanged(context, client);
}

// A device with a valid fleet key is registered at its first connection; the gateway has checked
// the key and that the product allows it.
void Register(const ApplyContext& context, const internal::v1::Connected& connected) {
  DeviceState& device = context.device;
  if (device.registered || connected.product().empty()) return;
  const Product* product = context.products.Find(connected.product());
  if (product == nullptr) {
    return Refuse(context, Refusal::kUnknownProduct, "connected with a product that is not there");
  }
  device.registered = true;
  device.newly_registered = true;
  device.product = product->id;
  device.tenant = product->tenant;
  device.shadow_model = product->model_version;
  context.effects.Changed(device);
}

KnownSession Known(DeviceState& device, std::string_view client) {
  const SessionRow* row = FindClient(device, client);
  return {row == nullptr ? 0 : row->epoch, client.empty() ? device.epoch : 0};
}

}  // namespace

void ReviewPresence(const ApplyContext& context, TellPresence tell) {
  DeviceState& device = context.device;
  const Presence presence = PresenceOf(
      FactsOf(device), device.registered ? context.limits.presence_grace_ms : 0, context.now_ms);
  Arm(context, presence.until_ms);
  if (presence.online == device.online && tell == TellPresence::kIfChanged) return;
  if (presence.online != device.online) {
    device.online = presence.online;
    device.presence_ms = context.message.received_ms();
    device.dirty_presence = true;
    context.effects.Changed(device);
    CountChange(context);
  }
  internal::v1::DeviceChange change;
  change.set_kind(internal::v1::DeviceChange::KIND_PRESENCE);
  change.set_time_ms(device.presence_ms);
  TellWatchers(context, std::move(change));
}

void ApplyPresenceCheck(const ApplyContext& context) {
  DeviceState& device = context.device;
  device.check_ms = 0;
  device.dirty_check = true;  // its row is done with, or moves
  context.effects.Changed(device);
  const bool was_online = device.online;
  ReviewPresence(context);
  if (was_online && !device.online) {
    device.broke_off_ms = 0;
    TellChildren(context);
  }
}

void NoteSession(const ApplyContext& context) {
  DeviceState& device = context.device;
  const uint64_t epoch = context.message.epoch();
  const std::string_view client = context.message.client();
  if (!IsPlainText(client) || !IsNewSession(epoch, Known(device, client))) return;
  // Its CONNECTED was never seen, or it was thought dead: it speaks, so it is there.
  PutSession(context, client);
}

void ApplyConnected(const ApplyContext& context) {
  internal::v1::Connected connected;
  if (!connected.ParseFromString(context.message.payload()) || context.message.epoch() == 0 ||
      !IsPlainText(context.message.client())) {
    return Refuse(context, Refusal::kMalformedPayload, "not a Connected");
  }
  const std::string_view client = context.message.client();
  if (!IsNewSession(context.message.epoch(), Known(context.device, client))) {
    ++context.effects.tally.stale_epochs;
    return;
  }
  Register(context, connected);
  if (!connected.inventory().empty() && IsPlainText(connected.inventory())) {
    context.effects.inventories.push_back({context.device.id, connected.inventory()});
  }
  PutSession(context, client);
}

void ApplyDisconnected(const ApplyContext& context) {
  DeviceState& device = context.device;
  const uint64_t epoch = context.message.epoch();
  internal::v1::Disconnected disconnected;
  if (!disconnected.ParseFromString(context.message.payload())) {
    return Refuse(context, Refusal::kMalformedPayload, "not a Disconnected");
  }
  const auto at =
      std::find_if(device.sessions.begin(), device.sessions.end(), [&](const SessionRow& row) {
        return row.epoch == epoch && row.client == context.message.client();
      });
  if (at == device.sessions.end()) {
    ++context.effects.tally.stale_epochs;
    return;
  }
  const std::string client = at->client;
  if (!at->may_be_stored) {  // came and went in one transaction
    std::erase(device.dirty_clients, client);
  } else if (!IsDirty(device, client)) {
    device.dirty_clients.push_back(client);
  }
  device.sessions.erase(at);
  if (device.sessions.empty() && device.registered && context.limits.presence_grace_ms > 0 &&
      IsBrokenOff(disconnected.reason())) {
    device.broke_off_ms = context.now_ms;
  }
  SessionChanged(context, client);
}

}  // namespace homeport::registry
