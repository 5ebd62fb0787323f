#include "libs/mqtt/publish_view.h"

#include "libs/base/check.h"
#include "libs/mqtt/topic.h"

namespace homeport::mqtt {
namespace {

constexpr PropertyPlace kPlace = PlaceOf(PacketType::kPublish);

DecodeError ScanProperties(const DecodeOptions& options, PublishView* out) {
  PropertyWalker walker(out->property_bytes, kPlace);
  uint32_t user_properties = 0;
  uint32_t subscription_ids = 0;
  Property property;
  while (!walker.AtEnd()) {
    if (DecodeError error = walker.Next(&property)) return error;
    switch (property.id) {
      case PropertyId::kTopicAlias:
        out->topic_alias = static_cast<uint16_t>(property.number);
        break;
      case PropertyId::kMessageExpiryInterval:
        out->message_expiry_s = property.number;
        break;
      case PropertyId::kUserProperty:
        if (++user_properties > options.limits.user_properties_max) {
          return {ReasonCode::kQuotaExceeded, "more user properties than the limit"};
        }
        break;
      case PropertyId::kSubscriptionIdentifier:
        if (options.side == Side::kServer) {  // [MQTT-3.3.4-6]
          return {ReasonCode::kProtocolError, "subscription identifier from a client"};
        }
        if (++subscription_ids > options.limits.subscription_ids_max) {
          return {ReasonCode::kQuotaExceeded, "more subscription identifiers than the limit"};
        }
        break;
      default:
        break;
    }
  }
  return {};
}

}  // namespace

DecodeError DecodePublishView(const Frame& frame, const DecodeOptions& options, PublishView* out) {
  *out = PublishView{};
  out->dup = (frame.flags & 8u) != 0;
  out->qos = static_cast<Qos>(frame.flags >> 1 & 3u);
  out->retain = (frame.flags & 1u) != 0;

  Reader reader(frame.body);
  if (!reader.Name(&out->topic)) return reader.error();
  if (out->qos != Qos::kAtMostOnce) {
    if (!reader.U16(&out->packet_id)) return reader.error();
    if (out->packet_id == 0) return {ReasonCode::kProtocolError, "packet identifier 0"};
  }
  if (options.version == Version::k5) {
    uint32_t size = 0;
    if (!reader.Varint(&size) || !reader.Bytes(size, &out->property_bytes)) return reader.error();
    if (DecodeError error = ScanProperties(options, out)) return error;
    if (out->topic.empty()) {
      if (out->topic_alias == 0) {
        return {ReasonCode::kProtocolError, "neither topic nor topic alias"};
      }
      out->payload = reader.Rest();
      return {};
    }
  }
  out->payload = reader.Rest();
  return CheckTopicName(out->topic, options.limits);
}

Properties DecodeAllProperties(const PublishView& view) {
  Limits unlimited;  // the view was decoded within the caller's
  unlimited.user_properties_max = UINT32_MAX;
  unlimited.subscription_ids_max = UINT32_MAX;
  Properties properties;
  const DecodeError error = DecodeProperties(view.property_bytes, kPlace, unlimited, &properties);
  HP_CHECK(error.ok());
  return properties;
}

void AppendForwardedProperties(std::string_view property_bytes, PropertyPlace place,
                               std::string* out) {
  PropertyWalker walker(property_bytes, place);
  size_t at = 0;
  while (!walker.AtEnd()) {
    Property property;
    const DecodeError error = walker.Next(&property);
    HP_CHECK(error.ok());
    const size_t next = property_bytes.size() - walker.remaining();
    const bool forwarded = property.id != PropertyId::kTopicAlias &&
                           property.id != PropertyId::kSubscriptionIdentifier &&
                           property.id != PropertyId::kMessageExpiryInterval &&
                           property.id != PropertyId::kWillDelayInterval;
    if (forwarded) out->append(property_bytes.substr(at, next - at));
    at = next;
  }
}

}  // namespace homeport::mqtt
