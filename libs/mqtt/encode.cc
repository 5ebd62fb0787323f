#include "libs/mqtt/encode.h"

#include <cstring>

#include "libs/base/check.h"
#include "libs/mqtt/limits.h"
#include "libs/mqtt/wire.h"

namespace homeport::mqtt {
namespace {

char FirstByte(PacketType type, unsigned flags) {
  return static_cast<char>(static_cast<unsigned>(type) << 4 | flags);
}

// The flags of every type but PUBLISH (MQTT 5 table 2-2).
unsigned FixedFlags(PacketType type) {
  const bool two = type == PacketType::kPubrel || type == PacketType::kSubscribe ||
                   type == PacketType::kUnsubscribe;
  return two ? 2 : 0;
}

// Appends a packet whose length is known only when its body is written. The bodies are short.
class FrameWriter : public Writer {
 public:
  FrameWriter(PacketType type, std::string* out) : Writer(out), out_(out) {
    out->push_back(FirstByte(type, FixedFlags(type)));
    body_at_ = out->size();
  }

  // Call once, last.
  void Finish() {
    const size_t body_bytes = out_->size() - body_at_;
    HP_CHECK(body_bytes <= kRemainingLengthMax);
    char length[4];
    const char* const end = PutVarint(static_cast<uint32_t>(body_bytes), length);
    out_->insert(body_at_, length, static_cast<size_t>(end - length));
  }

 private:
  std::string* out_;
  size_t body_at_ = 0;
};

unsigned ConnectFlags(const Connect& packet) {
  unsigned flags = packet.clean_start ? 0x02u : 0u;
  if (packet.will) {
    flags |= 0x04u | static_cast<unsigned>(packet.will->qos) << 3;
    if (packet.will->retain) flags |= 0x20u;
  }
  if (packet.password) flags |= 0x40u;
  if (packet.user_name) flags |= 0x80u;
  return flags;
}

// Reason code and properties, as short as MQTT 5 sections 3.4.2.1, 3.14.2.1 and 3.15.2.1 allow.
void PutReason(ReasonCode reason, const Properties& properties, PacketType type,
               FrameWriter* writer, std::string* out) {
  const bool bare = PropertyBytes(properties, PlaceOf(type)) == 0;
  if (bare && reason == ReasonCode::kSuccess) return;
  writer->U8(static_cast<uint8_t>(reason));
  // AUTH is the one that may not leave out an empty list after a reason code.
  if (bare && type != PacketType::kAuth) return;
  EncodeProperties(properties, PlaceOf(type), out);
}

template <PacketType kType>
void EncodeAcknowledgement(const Acknowledgement<kType>& packet, Version version,
                           std::string* out) {
  FrameWriter writer(kType, out);
  writer.U16(packet.packet_id);
  if (version == Version::k5) PutReason(packet.reason, packet.properties, kType, &writer, out);
  writer.Finish();
}

uint8_t SubscriptionOptions(const Subscription& subscription, Version version) {
  unsigned options = static_cast<unsigned>(subscription.qos);
  if (version == Version::k5) {
    if (subscription.no_local) options |= 0x04u;
    if (subscription.retain_as_published) options |= 0x08u;
    options |= static_cast<unsigned>(subscription.retain_handling) << 4;
  }
  return static_cast<uint8_t>(options);
}

unsigned PublishFlags(Qos qos, bool dup, bool retain) {
  return static_cast<unsigned>(qos) << 1 | (dup ? 8u : 0u) | (retain ? 1u : 0u);
}

size_t BodyBytes(const PublishHeader& header) {
  size_t bytes = 2 + header.topic.size() + header.payload_bytes;
  if (header.qos != Qos::kAtMostOnce) bytes += 2;
  if (header.version == Version::k5) {
    const size_t size = header.property_bytes.size();
    bytes += VarintBytes(static_cast<uint32_t>(size)) + size;
  }
  HP_CHECK(bytes <= kRemainingLengthMax);
  return bytes;
}

char* PutBytes(std::string_view bytes, char* out) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

}  // namespace

void EncodeConnect(const Connect& packet, std::string* out) {
  const bool v5 = packet.version == Version::k5;
  FrameWriter writer(PacketType::kConnect, out);
  writer.String(packet.is_31 ? "MQIsdp" : "MQTT");
  writer.U8(packet.is_31 ? 3 : static_cast<uint8_t>(packet.version));
  writer.U8(static_cast<uint8_t>(ConnectFlags(packet)));
  writer.U16(packet.keep_alive_s);
  if (v5) EncodeProperties(packet.properties, PlaceOf(PacketType::kConnect), out);
  writer.String(packet.client_id);
  if (packet.will) {
    if (v5) EncodeProperties(packet.will->properties, PropertyPlace::kWill, out);
    writer.String(packet.will->topic);
    writer.Binary(packet.will->payload);
  }
  if (packet.user_name) writer.String(*packet.user_name);
  if (packet.password) writer.Binary(*packet.password);
  writer.Finish();
}

void EncodeConnack(const Connack& packet, Version version, std::string* out) {
  const bool v5 = version == Version::k5;
  FrameWriter writer(PacketType::kConnack, out);
  writer.U8(packet.session_present ? 1 : 0);
  writer.U8(v5 ? static_cast<uint8_t>(packet.reason) : ToConnackReturnCode(packet.reason));
  if (v5) EncodeProperties(packet.properties, PlaceOf(PacketType::kConnack), out);
  writer.Finish();
}

void EncodePublish(const Publish& packet, Version version, std::string* out) {
  constexpr PropertyPlace kPlace = PlaceOf(PacketType::kPublish);
  size_t body_bytes = 2 + packet.topic.size() + packet.payload.size();
  if (packet.qos != Qos::kAtMostOnce) body_bytes += 2;
  if (version == Version::k5) {
    const size_t size = PropertyBytes(packet.properties, kPlace);
    body_bytes += VarintBytes(static_cast<uint32_t>(size)) + size;
  }
  HP_CHECK(body_bytes <= kRemainingLengthMax);
  out->reserve(out->size() + 5 + body_bytes);
  out->push_back(
      FirstByte(PacketType::kPublish, PublishFlags(packet.qos, packet.dup, packet.retain)));
  Writer writer(out);
  writer.Varint(static_cast<uint32_t>(body_bytes));
  writer.String(packet.topic);
  if (packet.qos != Qos::kAtMostOnce) writer.U16(packet.packet_id);
  if (version == Version::k5) EncodeProperties(packet.properties, kPlace, out);
  writer.Bytes(packet.payload);
}

void EncodePuback(const Puback& packet, Version version, std::string* out) {
  EncodeAcknowledgement(packet, version, out);
}
void EncodePubrec(const Pubrec& packet, Version version, std::string* out) {
  EncodeAcknowledgement(packet, version, out);
}
void EncodePubrel(const Pubrel& packet, Version version, std::string* out) {
  EncodeAcknowledgement(packet, version, out);
}
void EncodePubcomp(const Pubcomp& packet, Version version, std::string* out) {
  EncodeAcknowledgement(packet, version, out);
}

void EncodeSubscribe(const Subscribe& packet, Version version, std::string* out) {
  FrameWriter writer(PacketType::kSubscribe, out);
  writer.U16(packet.packet_id);
  if (version == Version::k5) {
    EncodeProperties(packet.properties, PlaceOf(PacketType::kSubscribe), out);
  }
  for (const Subscription& subscription : packet.subscriptions) {
    writer.String(subscription.filter);
    writer.U8(SubscriptionOptions(subscription, version));
  }
  writer.Finish();
}

void EncodeSuback(const Suback& packet, Version version, std::string* out) {
  const bool v5 = version == Version::k5;
  FrameWriter writer(PacketType::kSuback, out);
  writer.U16(packet.packet_id);
  if (v5) EncodeProperties(packet.properties, PlaceOf(PacketType::kSuback), out);
  for (ReasonCode reason : packet.reasons) {
    if (!v5 && IsFailure(reason)) reason = ReasonCode::kUnspecifiedError;
    writer.U8(static_cast<uint8_t>(reason));
  }
  writer.Finish();
}

void EncodeUnsubscribe(const Unsubscribe& packet, Version version, std::string* out) {
  FrameWriter writer(PacketType::kUnsubscribe, out);
  writer.U16(packet.packet_id);
  if (version == Version::k5) {
    EncodeProperties(packet.properties, PlaceOf(PacketType::kUnsubscribe), out);
  }
  for (std::string_view filter : packet.filters) writer.String(filter);
  writer.Finish();
}

void EncodeUnsuback(const Unsuback& packet, Version version, std::string* out) {
  FrameWriter writer(PacketType::kUnsuback, out);
  writer.U16(packet.packet_id);
  if (version == Version::k5) {
    EncodeProperties(packet.properties, PlaceOf(PacketType::kUnsuback), out);
    for (ReasonCode reason : packet.reasons) writer.U8(static_cast<uint8_t>(reason));
  }
  writer.Finish();
}

void EncodePingreq(std::string* out) { FrameWriter(PacketType::kPingreq, out).Finish(); }

void EncodePingresp(std::string* out) { FrameWriter(PacketType::kPingresp, out).Finish(); }

void EncodeDisconnect(const Disconnect& packet, Version version, std::string* out) {
  FrameWriter writer(PacketType::kDisconnect, out);
  if (version == Version::k5) {
    PutReason(packet.reason, packet.properties, PacketType::kDisconnect, &writer, out);
  }
  writer.Finish();
}

void EncodeAuth(const Auth& packet, std::string* out) {
  FrameWriter writer(PacketType::kAuth, out);
  PutReason(packet.reason, packet.properties, PacketType::kAuth, &writer, out);
  writer.Finish();
}

namespace {

// One call operator per packet type, for std::visit.
struct EncodeVisitor {
  Version version;
  std::string* out;

  void operator()(const Connect& p) const { EncodeConnect(p, out); }
  void operator()(const Connack& p) const { EncodeConnack(p, version, out); }
  void operator()(const Publish& p) const { EncodePublish(p, version, out); }
  void operator()(const Puback& p) const { EncodePuback(p, version, out); }
  void operator()(const Pubrec& p) const { EncodePubrec(p, version, out); }
  void operator()(const Pubrel& p) const { EncodePubrel(p, version, out); }
  void operator()(const Pubcomp& p) const { EncodePubcomp(p, version, out); }
  void operator()(const Subscribe& p) const { EncodeSubscribe(p, version, out); }
  void operator()(const Suback& p) const { EncodeSuback(p, version, out); }
  void operator()(const Unsubscribe& p) const { EncodeUnsubscribe(p, version, out); }
  void operator()(const Unsuback& p) const { EncodeUnsuback(p, version, out); }
  void operator()(const Pingreq&) const { EncodePingreq(out); }
  void operator()(const Pingresp&) const { EncodePingresp(out); }
  void operator()(const Disconnect& p) const { EncodeDisconnect(p, version, out); }
  void operator()(const Auth& p) const { EncodeAuth(p, out); }
};

}  // namespace

void Encode(const Packet& packet, Version version, std::string* out) {
  std::visit(EncodeVisitor{version, out}, packet);
}

void EncodeAck(PacketType type, uint16_t packet_id, char out[4]) {
  out[0] = FirstByte(type, FixedFlags(type));
  out[1] = 2;
  PutU16(packet_id, out + 2);
}

size_t PublishHeaderBytes(const PublishHeader& header) {
  const size_t body_bytes = BodyBytes(header);
  return 1 + VarintBytes(static_cast<uint32_t>(body_bytes)) + body_bytes - header.payload_bytes;
}

size_t EncodePublishHeader(const PublishHeader& header, char* out) {
  HP_CHECK(header.topic.size() <= kStringBytesMax);
  char* at = out;
  *at++ = FirstByte(PacketType::kPublish, PublishFlags(header.qos, header.dup, header.retain));
  at = PutVarint(static_cast<uint32_t>(BodyBytes(header)), at);
  at = PutU16(static_cast<uint16_t>(header.topic.size()), at);
  at = PutBytes(header.topic, at);
  if (header.qos != Qos::kAtMostOnce) at = PutU16(header.packet_id, at);
  if (header.version == Version::k5) {
    at = PutVarint(static_cast<uint32_t>(header.property_bytes.size()), at);
    at = PutBytes(header.property_bytes, at);
  }
  return static_cast<size_t>(at - out);
}

}  // namespace homeport::mqtt
