#include "services/gateway/flow/session_uplink.h"

#include "homeport/internal/v1/envelope.pb.h"

namespace homeport::gateway {

routing::Uplink UplinkOf(const ShardContext& context, const Session& session,
                         routing::UplinkKind kind, std::string_view device) {
  routing::Uplink message;
  message.kind = kind;
  message.device = device;
  message.session = session.handle().packed();
  message.epoch = session.epoch;
  message.received_ms = context.reactor.wall().value;
  if (session.identity->client != device) message.client = session.identity->client;
  return message;
}

void AppendConnected(ShardContext& context, const Session& session, std::string_view device) {
  const Identity& identity = *session.identity;
  if (identity.claim) return;
  internal::v1::Connected connected;
  if (device == identity.device) {
    if (identity.product) connected.set_product(identity.product->product);
    if (identity.inventory) connected.set_inventory(*identity.inventory);
  }
  const std::string payload = connected.SerializeAsString();
  routing::Uplink message = UplinkOf(context, session, routing::UplinkKind::kConnected, device);
  message.payload = payload;
  context.uplink.Append(message, {});
}

void AppendDisconnected(ShardContext& context, const Session& session, std::string_view device,
                        std::string_view reason) {
  if (session.identity->claim) return;
  internal::v1::Disconnected disconnected;
  disconnected.set_reason(std::string(reason));
  const std::string payload = disconnected.SerializeAsString();
  routing::Uplink message = UplinkOf(context, session, routing::UplinkKind::kDisconnected, device);
  message.payload = payload;
  context.uplink.Append(message, {});
}

}  // namespace homeport::gateway
