#include "libs/mqtt/decode.h"

#include "libs/mqtt/publish_view.h"
#include "libs/mqtt/topic.h"

namespace homeport::mqtt {
namespace {

constexpr DecodeError Malformed(const char* what) { return {ReasonCode::kMalformedPacket, what}; }
constexpr DecodeError Forbidden(const char* what) { return {ReasonCode::kProtocolError, what}; }

DecodeError ExpectEnd(const Reader& reader) {
  return reader.AtEnd() ? DecodeError{} : Malformed("bytes after the packet's end");
}

// `zero`: what an identifier of 0 is; the specifications only forbid it [MQTT-2.2.1-3].
DecodeError ReadPacketId(Reader* reader, uint16_t* out,
                         ReasonCode zero = ReasonCode::kProtocolError) {
  if (!reader->U16(out)) return reader->error();
  return *out != 0 ? DecodeError{} : DecodeError{zero, "packet identifier 0"};
}

DecodeError ReadPropertyBytes(Reader* reader, std::string_view* out) {
  uint32_t size = 0;
  if (!reader->Varint(&size) || !reader->Bytes(size, out)) return reader->error();
  return {};
}

// The property list of a packet that has one in version 5 only.
DecodeError ReadProperties(Reader* reader, PacketType type, const DecodeOptions& options,
                           Properties* out) {
  if (options.version != Version::k5) return {};
  std::string_view bytes;
  if (DecodeError error = ReadPropertyBytes(reader, &bytes)) return error;
  return DecodeProperties(bytes, PlaceOf(type), options.limits, out);
}

DecodeError ReadReason(Reader* reader, PacketType type, ReasonCode* out) {
  uint8_t code = 0;
  if (!reader->U8(&code)) return reader->error();
  *out = static_cast<ReasonCode>(code);
  return IsAllowed(*out, type) ? DecodeError{} : Forbidden("reason code not of this packet");
}

// CONNECT flags, section 3.1.2.3.
struct ConnectFlags {
  bool clean_start;
  bool will;
  uint8_t will_qos;
  bool will_retain;
  bool password;
  bool user_name;
};

DecodeError ReadConnectFlags(Reader* reader, const Connect& connect, ConnectFlags* out) {
  uint8_t bits = 0;
  if (!reader->U8(&bits)) return reader->error();
  out->clean_start = (bits & 0x02) != 0;
  out->will = (bits & 0x04) != 0;
  out->will_qos = bits >> 3 & 3;
  out->will_retain = (bits & 0x20) != 0;
  out->password = (bits & 0x40) != 0;
  out->user_name = (bits & 0x80) != 0;
  // MQTT 3.1 leaves the bit unused [MQTT-3.1.2-3].
  if ((bits & 0x01) != 0 && !connect.is_31) return Malformed("reserved CONNECT flag");
  if (connect.is_31 && !out->will) {  // its section 3.1: then they are disregarded
    out->will_qos = 0;
    out->will_retain = false;
  }
  if (out->will_qos == 3) return Malformed("will with QoS 3");   // [MQTT-3.1.2-12]
  if (!out->will && (out->will_qos != 0 || out->will_retain)) {  // [MQTT-3.1.2-11, -13]
    return Malformed("will QoS or retain without a will");
  }
  // 3.1.1 [MQTT-3.1.2-22]
  if (connect.version == Version::k311 && out->password && !out->user_name) {
    return Malformed("password without a user name");
  }
  return {};
}

DecodeError ReadProtocol(Reader* reader, Connect* out) {
  std::string_view name;
  uint8_t level = 0;
  if (!reader->String(&name)) return reader->error();
  if (name != "MQTT" && name != "MQIsdp") {
    return {ReasonCode::kUnsupportedProtocolVersion, "protocol name is not MQTT"};
  }
  if (!reader->U8(&level)) return reader->error();
  out->is_31 = name == "MQIsdp" && level == 3;
  const bool is_current = name == "MQTT" && (level == 4 || level == 5);
  if (!out->is_31 && !is_current) {
    return {ReasonCode::kUnsupportedProtocolVersion, "protocol level not supported"};
  }
  out->version = level == 5 ? Version::k5 : Version::k311;
  return {};
}

DecodeError ReadWill(Reader* reader, Version version, const Limits& limits, Will* out) {
  if (version == Version::k5) {
    if (DecodeError error = ReadPropertyBytes(reader, &out->property_bytes)) return error;
    if (DecodeError error =
            DecodeProperties(out->property_bytes, PropertyPlace::kWill, limits, &out->properties)) {
      return error;
    }
  }
  if (!reader->Name(&out->topic) || !reader->Binary(&out->payload)) return reader->error();
  return CheckTopicName(out->topic, limits);
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Connect* out) {
  Reader reader(frame.body);
  if (DecodeError error = ReadProtocol(&reader, out)) return error;
  ConnectFlags flags{};
  if (DecodeError error = ReadConnectFlags(&reader, *out, &flags)) return error;
  out->clean_start = flags.clean_start;
  if (!reader.U16(&out->keep_alive_s)) return reader.error();
  const DecodeOptions own{out->version, options.side, options.limits};
  if (DecodeError error = ReadProperties(&reader, frame.type, own, &out->properties)) return error;
  if (!reader.Name(&out->client_id)) return reader.error();
  if (flags.will) {
    out->will.emplace();
    out->will->qos = static_cast<Qos>(flags.will_qos);
    out->will->retain = flags.will_retain;
    if (DecodeError error = ReadWill(&reader, out->version, options.limits, &*out->will)) {
      return error;
    }
  }
  // In 3.1 the remaining length takes precedence over these two flags.
  const auto is_left_out = [&] { return out->is_31 && reader.AtEnd(); };
  if (flags.user_name && !is_left_out() && !reader.Name(&out->user_name.emplace())) {
    return reader.error();
  }
  if (flags.password && !is_left_out() && !reader.Binary(&out->password.emplace())) {
    return reader.error();
  }
  return ExpectEnd(reader);
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Connack* out) {
  Reader reader(frame.body);
  uint8_t flags = 0;
  if (!reader.U8(&flags)) return reader.error();
  if (flags > 1) return Malformed("reserved CONNACK flags");  // [MQTT-3.2.2-1]
  out->session_present = flags == 1;
  if (options.version == Version::k5) {
    if (DecodeError error = ReadReason(&reader, frame.type, &out->reason)) return error;
  } else {
    uint8_t code = 0;
    if (!reader.U8(&code)) return reader.error();
    if (code > 5) return Forbidden("reserved CONNACK return code");
    out->reason = FromConnackReturnCode(code);
  }
  if (out->session_present && out->reason != ReasonCode::kSuccess) {  // [MQTT-3.2.2-6]
    return Forbidden("session present in a refusal");
  }
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  return ExpectEnd(reader);
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Publish* out) {
  PublishView view;
  if (DecodeError error = DecodePublishView(frame, options, &view)) return error;
  out->topic = view.topic;
  out->payload = view.payload;
  out->packet_id = view.packet_id;
  out->qos = view.qos;
  out->dup = view.dup;
  out->retain = view.retain;
  out->properties = DecodeAllProperties(view);
  return {};
}

template <PacketType kType>
DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options,
                         Acknowledgement<kType>* out) {
  Reader reader(frame.body);
  if (DecodeError error = ReadPacketId(&reader, &out->packet_id)) return error;
  if (options.version != Version::k5 || reader.AtEnd()) return ExpectEnd(reader);
  if (DecodeError error = ReadReason(&reader, kType, &out->reason)) return error;
  if (reader.AtEnd()) return {};  // below four bytes there is no property length
  if (DecodeError error = ReadProperties(&reader, kType, options, &out->properties)) return error;
  return ExpectEnd(reader);
}

// Form of a filter; limits are the caller's, who can refuse filters one by one.
DecodeError ReadFilter(Reader* reader, Version version, std::string_view* out) {
  if (!reader->Name(out)) return reader->error();
  if (!IsValidTopicFilter(*out)) return Malformed("ill-formed topic filter");
  if (version == Version::k5 && IsSharedFilter(*out) && !ParseSharedFilter(*out)) {
    return Forbidden("ill-formed shared subscription");
  }
  return {};
}

DecodeError ParseSubscriptionOptions(uint8_t bits, Version version, Subscription* out) {
  const unsigned qos = bits & 3u;
  const unsigned retain_handling = bits >> 4 & 3u;
  if (version == Version::k311) {  // 3.1.1 [MQTT-3-8.3-4]
    if (bits > 2) return Malformed("reserved bits of the requested QoS");
  } else {
    if ((bits & 0xC0) != 0) return Malformed("reserved subscription options");  // [MQTT-3.8.3-5]
    if (qos == 3) return Forbidden("subscription with QoS 3");
    if (retain_handling == 3) return Forbidden("retain handling 3");
  }
  out->qos = static_cast<Qos>(qos);
  out->no_local = (bits & 0x04) != 0;
  out->retain_as_published = (bits & 0x08) != 0;
  out->retain_handling = static_cast<RetainHandling>(retain_handling);
  if (out->no_local && IsSharedFilter(out->filter)) {  // [MQTT-3.8.3-4]
    return Forbidden("no local on a shared subscription");
  }
  return {};
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Subscribe* out) {
  Reader reader(frame.body);
  if (DecodeError error = ReadPacketId(&reader, &out->packet_id, ReasonCode::kMalformedPacket)) {
    return error;
  }
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  if (reader.AtEnd()) return Forbidden("no topic filter");  // [MQTT-3.8.3-2]
  while (!reader.AtEnd()) {
    if (out->subscriptions.size() == options.limits.filters_per_packet_max) {
      return {ReasonCode::kQuotaExceeded, "more topic filters than the limit"};
    }
    Subscription& subscription = out->subscriptions.emplace_back();
    if (DecodeError error = ReadFilter(&reader, options.version, &subscription.filter)) {
      return error;
    }
    uint8_t bits = 0;
    if (!reader.U8(&bits)) return reader.error();
    if (DecodeError error = ParseSubscriptionOptions(bits, options.version, &subscription)) {
      return error;
    }
  }
  return {};
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Unsubscribe* out) {
  Reader reader(frame.body);
  if (DecodeError error = ReadPacketId(&reader, &out->packet_id, ReasonCode::kMalformedPacket)) {
    return error;
  }
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  if (reader.AtEnd()) return Forbidden("no topic filter");  // [MQTT-3.10.3-2]
  while (!reader.AtEnd()) {
    if (out->filters.size() == options.limits.filters_per_packet_max) {
      return {ReasonCode::kQuotaExceeded, "more topic filters than the limit"};
    }
    if (DecodeError error = ReadFilter(&reader, options.version, &out->filters.emplace_back())) {
      return error;
    }
  }
  return {};
}

// The rest of a SUBACK or UNSUBACK: one reason code per filter, at least one.
DecodeError ReadReasons(Reader* reader, PacketType type, const DecodeOptions& options,
                        std::vector<ReasonCode>* out) {
  if (reader->AtEnd()) return Malformed("no reason code");
  if (reader->remaining() > options.limits.filters_per_packet_max) {
    return {ReasonCode::kQuotaExceeded, "more reason codes than the limit"};
  }
  while (!reader->AtEnd()) {
    ReasonCode& reason = out->emplace_back();
    if (DecodeError error = ReadReason(reader, type, &reason)) return error;
    const bool plain_failure = reason == ReasonCode::kUnspecifiedError;
    if (options.version == Version::k311 && IsFailure(reason) && !plain_failure) {
      return Forbidden("reserved SUBACK return code");  // 3.1.1 [MQTT-3.9.3-2]
    }
  }
  return {};
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Suback* out) {
  Reader reader(frame.body);
  if (DecodeError error = ReadPacketId(&reader, &out->packet_id)) return error;
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  return ReadReasons(&reader, frame.type, options, &out->reasons);
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Unsuback* out) {
  Reader reader(frame.body);
  if (DecodeError error = ReadPacketId(&reader, &out->packet_id)) return error;
  if (options.version == Version::k311) return ExpectEnd(reader);
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  return ReadReasons(&reader, frame.type, options, &out->reasons);
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions&, Pingreq*) {
  return ExpectEnd(Reader(frame.body));
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions&, Pingresp*) {
  return ExpectEnd(Reader(frame.body));
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Disconnect* out) {
  Reader reader(frame.body);
  if (options.version == Version::k311 || reader.AtEnd()) return ExpectEnd(reader);
  if (DecodeError error = ReadReason(&reader, frame.type, &out->reason)) return error;
  if (reader.AtEnd()) return {};  // below two bytes there is no property length
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  if (options.side == Side::kClient && out->properties.session_expiry_s) {  // [MQTT-3.14.2-2]
    return Forbidden("session expiry interval from a server");
  }
  if (options.side == Side::kServer && out->properties.server_reference) {
    return Forbidden("server reference from a client");
  }
  return ExpectEnd(reader);
}

DecodeError DecodePacket(const Frame& frame, const DecodeOptions& options, Auth* out) {
  Reader reader(frame.body);
  if (reader.AtEnd()) return {};  // success without properties, section 3.15.2.1
  if (DecodeError error = ReadReason(&reader, frame.type, &out->reason)) return error;
  if (DecodeError error = ReadProperties(&reader, frame.type, options, &out->properties)) {
    return error;
  }
  if (!out->properties.authentication_method) return Forbidden("AUTH without a method");
  return ExpectEnd(reader);
}

// Whether `side` may ever receive the type (section 2.1.2, direction of flow).
bool IsReceivable(PacketType type, Version version, Side side) {
  switch (type) {
    case PacketType::kConnect:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingreq:
      return side == Side::kServer;
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
      return side == Side::kClient;
    case PacketType::kDisconnect:
      return side == Side::kServer || version == Version::k5;
    case PacketType::kAuth:
      return version == Version::k5;
    default:
      return true;
  }
}

template <typename T>
DecodeError DecodeAs(const Frame& frame, const DecodeOptions& options, Packet* out) {
  return DecodePacket(frame, options, &out->emplace<T>());
}

}  // namespace

DecodeError Decode(const Frame& frame, const DecodeOptions& options, Packet* out) {
  if (!IsReceivable(frame.type, options.version, options.side)) {
    return Forbidden("packet type not for this side or version");
  }
  switch (frame.type) {
    case PacketType::kConnect:
      return DecodeAs<Connect>(frame, options, out);
    case PacketType::kConnack:
      return DecodeAs<Connack>(frame, options, out);
    case PacketType::kPublish:
      return DecodeAs<Publish>(frame, options, out);
    case PacketType::kPuback:
      return DecodeAs<Puback>(frame, options, out);
    case PacketType::kPubrec:
      return DecodeAs<Pubrec>(frame, options, out);
    case PacketType::kPubrel:
      return DecodeAs<Pubrel>(frame, options, out);
    case PacketType::kPubcomp:
      return DecodeAs<Pubcomp>(frame, options, out);
    case PacketType::kSubscribe:
      return DecodeAs<Subscribe>(frame, options, out);
    case PacketType::kSuback:
      return DecodeAs<Suback>(frame, options, out);
    case PacketType::kUnsubscribe:
      return DecodeAs<Unsubscribe>(frame, options, out);
    case PacketType::kUnsuback:
      return DecodeAs<Unsuback>(frame, options, out);
    case PacketType::kPingreq:
      return DecodeAs<Pingreq>(frame, options, out);
    case PacketType::kPingresp:
      return DecodeAs<Pingresp>(frame, options, out);
    case PacketType::kDisconnect:
      return DecodeAs<Disconnect>(frame, options, out);
    case PacketType::kAuth:
      return DecodeAs<Auth>(frame, options, out);
  }
  return Malformed("packet type 0");
}

std::optional<Version> ConnackVersion(std::string_view connect_body) {
  Reader reader(connect_body);
  std::string_view name;
  uint8_t level = 0;
  if (!reader.String(&name) || !reader.U8(&level)) return std::nullopt;
  if (name == "MQIsdp") return Version::k311;
  if (name != "MQTT") return std::nullopt;
  return (level & 0x7f) >= 5 ? Version::k5 : Version::k311;  // a bridge sets the upper bit
}

}  // namespace homeport::mqtt
