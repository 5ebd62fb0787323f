#include "libs/mqtt/properties.h"

#include <array>
#include <initializer_list>

#include "libs/mqtt/topic.h"

namespace homeport::mqtt {
namespace {

enum class WireType : uint8_t { kNone, kByte, kU16, kU32, kVarint, kString, kBinary, kStringPair };

struct Row {
  WireType type = WireType::kNone;
  uint16_t places = 0;         // bit per PropertyPlace that may hold it
  uint16_t repeat_places = 0;  // bit per place that may hold it more than once
};

constexpr uint16_t Bit(PropertyPlace place) {
  return static_cast<uint16_t>(1u << static_cast<unsigned>(place));
}

constexpr uint16_t In(std::initializer_list<PropertyPlace> places) {
  uint16_t mask = 0;
  for (PropertyPlace place : places) mask |= Bit(place);
  return mask;
}

constexpr auto kWill = PropertyPlace::kWill;
constexpr auto kConnect = PlaceOf(PacketType::kConnect);
constexpr auto kConnack = PlaceOf(PacketType::kConnack);
constexpr auto kPublish = PlaceOf(PacketType::kPublish);
constexpr auto kPuback = PlaceOf(PacketType::kPuback);
constexpr auto kPubrec = PlaceOf(PacketType::kPubrec);
constexpr auto kPubrel = PlaceOf(PacketType::kPubrel);
constexpr auto kPubcomp = PlaceOf(PacketType::kPubcomp);
constexpr auto kSubscribe = PlaceOf(PacketType::kSubscribe);
constexpr auto kSuback = PlaceOf(PacketType::kSuback);
constexpr auto kUnsubscribe = PlaceOf(PacketType::kUnsubscribe);
constexpr auto kUnsuback = PlaceOf(PacketType::kUnsuback);
constexpr auto kDisconnect = PlaceOf(PacketType::kDisconnect);
constexpr auto kAuth = PlaceOf(PacketType::kAuth);

constexpr size_t kIdEnd = 0x2B;

// MQTT 5 table 2-4. Rows of identifiers that do not exist stay empty.
constexpr std::array<Row, kIdEnd> MakeTable() {
  using Id = PropertyId;
  using Type = WireType;
  std::array<Row, kIdEnd> table{};
  const auto set = [&table](Id id, Type type, uint16_t places, uint16_t repeat_places = 0) {
    table[static_cast<size_t>(id)] = Row{type, places, repeat_places};
  };
  const uint16_t everywhere =
      In({kWill, kConnect, kConnack, kPublish, kPuback, kPubrec, kPubrel, kPubcomp, kSubscribe,
          kSuback, kUnsubscribe, kUnsuback, kDisconnect, kAuth});
  set(Id::kPayloadFormatIndicator, Type::kByte, In({kPublish, kWill}));
  set(Id::kMessageExpiryInterval, Type::kU32, In({kPublish, kWill}));
  set(Id::kContentType, Type::kString, In({kPublish, kWill}));
  set(Id::kResponseTopic, Type::kString, In({kPublish, kWill}));
  set(Id::kCorrelationData, Type::kBinary, In({kPublish, kWill}));
  set(Id::kSubscriptionIdentifier, Type::kVarint, In({kPublish, kSubscribe}), In({kPublish}));
  set(Id::kSessionExpiryInterval, Type::kU32, In({kConnect, kConnack, kDisconnect}));
  set(Id::kAssignedClientIdentifier, Type::kString, In({kConnack}));
  set(Id::kServerKeepAlive, Type::kU16, In({kConnack}));
  set(Id::kAuthenticationMethod, Type::kString, In({kConnect, kConnack, kAuth}));
  set(Id::kAuthenticationData, Type::kBinary, In({kConnect, kConnack, kAuth}));
  set(Id::kRequestProblemInformation, Type::kByte, In({kConnect}));
  set(Id::kWillDelayInterval, Type::kU32, In({kWill}));
  set(Id::kRequestResponseInformation, Type::kByte, In({kConnect}));
  set(Id::kResponseInformation, Type::kString, In({kConnack}));
  set(Id::kServerReference, Type::kString, In({kConnack, kDisconnect}));
  set(Id::kReasonString, Type::kString,
      In({kConnack, kPuback, kPubrec, kPubrel, kPubcomp, kSuback, kUnsuback, kDisconnect, kAuth}));
  set(Id::kReceiveMaximum, Type::kU16, In({kConnect, kConnack}));
  set(Id::kTopicAliasMaximum, Type::kU16, In({kConnect, kConnack}));
  set(Id::kTopicAlias, Type::kU16, In({kPublish}));
  set(Id::kMaximumQos, Type::kByte, In({kConnack}));
  set(Id::kRetainAvailable, Type::kByte, In({kConnack}));
  set(Id::kUserProperty, Type::kStringPair, everywhere, everywhere);
  set(Id::kMaximumPacketSize, Type::kU32, In({kConnect, kConnack}));
  set(Id::kWildcardSubscriptionAvailable, Type::kByte, In({kConnack}));
  set(Id::kSubscriptionIdentifierAvailable, Type::kByte, In({kConnack}));
  set(Id::kSharedSubscriptionAvailable, Type::kByte, In({kConnack}));
  return table;
}
constexpr std::array<Row, kIdEnd> kTable = MakeTable();

bool IsAllowedAt(PropertyId id, PropertyPlace place) {
  return (kTable[static_cast<size_t>(id)].places & Bit(place)) != 0;
}

bool ReadValue(Reader* reader, WireType type, Property* out) {
  switch (type) {
    case WireType::kByte: {
      uint8_t value = 0;
      if (!reader->U8(&value)) return false;
      out->number = value;
      return true;
    }
    case WireType::kU16: {
      uint16_t value = 0;
      if (!reader->U16(&value)) return false;
      out->number = value;
      return true;
    }
    case WireType::kU32:
      return reader->U32(&out->number);
    case WireType::kVarint:
      return reader->Varint(&out->number);
    case WireType::kString:
      return reader->String(&out->text);
    case WireType::kBinary:
      return reader->Binary(&out->text);
    case WireType::kStringPair:
      return reader->String(&out->name) && reader->String(&out->text);
    case WireType::kNone:
      break;
  }
  return false;
}

DecodeError CheckValue(const Property& property) {
  switch (property.id) {
    case PropertyId::kTopicAlias:
      if (property.number == 0) return {ReasonCode::kTopicAliasInvalid, "topic alias 0"};
      return {};
    case PropertyId::kSubscriptionIdentifier:
    case PropertyId::kReceiveMaximum:
    case PropertyId::kMaximumPacketSize:
      if (property.number == 0) return {ReasonCode::kProtocolError, "property must not be 0"};
      return {};
    case PropertyId::kResponseTopic:  // [MQTT-3.3.2-14]
      if (property.text.empty() || HasWildcard(property.text)) {
        return {ReasonCode::kProtocolError, "response topic is not a topic name"};
      }
      return {};
    default:
      // Every property of one byte is a yes or a no, or a QoS of 0 or 1.
      if (kTable[static_cast<size_t>(property.id)].type == WireType::kByte && property.number > 1) {
        return {ReasonCode::kProtocolError, "property is neither 0 nor 1"};
      }
      return {};
  }
}

// Pairs each identifier with its field, in ascending order. All that knows the fields is here.
template <typename P, typename Visitor>
void VisitFields(P& p, Visitor&& visit) {
  using Id = PropertyId;
  visit(Id::kPayloadFormatIndicator, p.payload_is_utf8);
  visit(Id::kMessageExpiryInterval, p.message_expiry_s);
  visit(Id::kContentType, p.content_type);
  visit(Id::kResponseTopic, p.response_topic);
  visit(Id::kCorrelationData, p.correlation_data);
  visit(Id::kSubscriptionIdentifier, p.subscription_ids);
  visit(Id::kSessionExpiryInterval, p.session_expiry_s);
  visit(Id::kAssignedClientIdentifier, p.assigned_client_id);
  visit(Id::kServerKeepAlive, p.server_keep_alive_s);
  visit(Id::kAuthenticationMethod, p.authentication_method);
  visit(Id::kAuthenticationData, p.authentication_data);
  visit(Id::kRequestProblemInformation, p.request_problem_information);
  visit(Id::kWillDelayInterval, p.will_delay_s);
  visit(Id::kRequestResponseInformation, p.request_response_information);
  visit(Id::kResponseInformation, p.response_information);
  visit(Id::kServerReference, p.server_reference);
  visit(Id::kReasonString, p.reason_string);
  visit(Id::kReceiveMaximum, p.receive_max);
  visit(Id::kTopicAliasMaximum, p.topic_alias_max);
  visit(Id::kTopicAlias, p.topic_alias);
  visit(Id::kMaximumQos, p.qos_max);
  visit(Id::kRetainAvailable, p.retain_available);
  visit(Id::kUserProperty, p.user_properties);
  visit(Id::kMaximumPacketSize, p.packet_bytes_max);
  visit(Id::kWildcardSubscriptionAvailable, p.wildcard_subscription_available);
  visit(Id::kSubscriptionIdentifierAvailable, p.subscription_id_available);
  visit(Id::kSharedSubscriptionAvailable, p.shared_subscription_available);
}

template <typename Integer>
void Store(const Property& from, std::optional<Integer>* to) {
  *to = static_cast<Integer>(from.number);
}
void Store(const Property& from, std::optional<std::string_view>* to) { *to = from.text; }
void Store(const Property& from, std::vector<uint32_t>* to) { to->push_back(from.number); }
void Store(const Property& from, std::vector<UserProperty>* to) {
  to->emplace_back(from.name, from.text);
}

// Values as written, and their sizes, identifier included.
void Put(Writer* out, bool value) { out->U8(value ? 1 : 0); }
void Put(Writer* out, uint8_t value) { out->U8(value); }
void Put(Writer* out, uint16_t value) { out->U16(value); }
void Put(Writer* out, uint32_t value) { out->U32(value); }
void Put(Writer* out, std::string_view value) { out->Binary(value); }

void PutField(Writer* out, PropertyId id, const std::vector<uint32_t>& values) {
  for (uint32_t value : values) {
    out->U8(static_cast<uint8_t>(id));
    out->Varint(value);
  }
}
void PutField(Writer* out, PropertyId id, const std::vector<UserProperty>& values) {
  for (const UserProperty& value : values) {
    out->U8(static_cast<uint8_t>(id));
    out->String(value.first);
    out->String(value.second);
  }
}
template <typename T>
void PutField(Writer* out, PropertyId id, const std::optional<T>& value) {
  if (!value) return;
  out->U8(static_cast<uint8_t>(id));
  Put(out, *value);
}

size_t FieldBytes(const std::vector<uint32_t>& values) {
  size_t sum = 0;
  for (uint32_t value : values) sum += 1 + VarintBytes(value);
  return sum;
}
size_t FieldBytes(const std::vector<UserProperty>& values) {
  size_t sum = 0;
  for (const UserProperty& value : values) sum += 5 + value.first.size() + value.second.size();
  return sum;
}
size_t FieldBytes(const std::optional<std::string_view>& value) {
  return value ? 3 + value->size() : 0;
}
template <typename Integer>
size_t FieldBytes(const std::optional<Integer>& value) {
  return value ? 1 + sizeof(Integer) : 0;
}
static_assert(sizeof(bool) == 1);

}  // namespace

DecodeError PropertyWalker::Next(Property* out) {
  uint32_t id = 0;
  if (!reader_.Varint(&id)) return reader_.error();
  if (id >= kIdEnd || kTable[id].type == WireType::kNone) {
    return {ReasonCode::kMalformedPacket, "unknown property"};
  }
  const Row& row = kTable[id];
  if ((row.places & Bit(place_)) == 0) {
    return {ReasonCode::kMalformedPacket, "property not allowed in this packet"};
  }
  const uint64_t seen_bit = uint64_t{1} << id;
  if ((seen_ & seen_bit) != 0 && (row.repeat_places & Bit(place_)) == 0) {
    return {ReasonCode::kProtocolError, "property given twice"};
  }
  seen_ |= seen_bit;
  out->id = static_cast<PropertyId>(id);
  if (!ReadValue(&reader_, row.type, out)) return reader_.error();
  return CheckValue(*out);
}

DecodeError DecodeProperties(std::string_view bytes, PropertyPlace place, const Limits& limits,
                             Properties* out) {
  *out = Properties{};
  PropertyWalker walker(bytes, place);
  while (!walker.AtEnd()) {
    Property property;
    if (DecodeError error = walker.Next(&property)) return error;
    VisitFields(*out, [&property](PropertyId id, auto& field) {
      if (id == property.id) Store(property, &field);
    });
    if (out->user_properties.size() > limits.user_properties_max) {
      return {ReasonCode::kQuotaExceeded, "more user properties than the limit"};
    }
    if (out->subscription_ids.size() > limits.subscription_ids_max) {
      return {ReasonCode::kQuotaExceeded, "more subscription identifiers than the limit"};
    }
  }
  if (out->authentication_data && !out->authentication_method) {
    return {ReasonCode::kProtocolError, "authentication data without a method"};
  }
  return {};
}

void EncodeProperties(const Properties& properties, PropertyPlace place, std::string* out) {
  Writer(out).Varint(static_cast<uint32_t>(PropertyBytes(properties, place)));
  AppendProperties(properties, place, out);
}

void AppendProperties(const Properties& properties, PropertyPlace place, std::string* out) {
  Writer writer(out);
  VisitFields(properties, [&writer, place](PropertyId id, const auto& field) {
    if (IsAllowedAt(id, place)) PutField(&writer, id, field);
  });
}

size_t PropertyBytes(const Properties& properties, PropertyPlace place) {
  size_t sum = 0;
  VisitFields(properties, [&sum, place](PropertyId id, const auto& field) {
    if (IsAllowedAt(id, place)) sum += FieldBytes(field);
  });
  return sum;
}

}  // namespace homeport::mqtt
