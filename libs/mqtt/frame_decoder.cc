#include "libs/mqtt/frame_decoder.h"

namespace homeport::mqtt {
namespace {

constexpr size_t kLengthBytesMax = 4;

FrameResult Refuse(ReasonCode reason, const char* what) {
  FrameResult result;
  result.kind = FrameResult::Kind::kError;
  result.error = {reason, what};
  return result;
}

FrameResult NeedMore(size_t total_bytes) {
  FrameResult result;
  result.kind = FrameResult::Kind::kNeedMore;
  result.total_bytes = total_bytes;
  return result;
}

constexpr uint8_t kQos1 = 2;
constexpr uint8_t kDup = 8;

// Text for a wrong first byte, nullptr for a right one (MQTT 5 sections 2.1.2, 2.1.3 and 3.3.1).
const char* FirstByteFault(PacketType type, uint8_t flags, HeaderRules rules) {
  switch (type) {
    case PacketType::kPublish: {
      const unsigned qos = flags >> 1 & 3u;
      if (qos == 3) return "PUBLISH with QoS 3";                               // [MQTT-3.3.1-4]
      if (qos == 0 && (flags & 8u) != 0) return "PUBLISH with DUP and QoS 0";  // [MQTT-3.3.1-2]
      return nullptr;
    }
    case PacketType::kPubrel:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
      if (rules == HeaderRules::k31 && flags == (kQos1 | kDup)) return nullptr;
      return flags == kQos1 ? nullptr : "reserved flags of the fixed header";
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubcomp:
      if (rules == HeaderRules::k31) return nullptr;  // not used
      return flags == 0 ? nullptr : "reserved flags of the fixed header";
    default:
      if (type < PacketType::kConnect) return "packet type 0";
      return flags == 0 ? nullptr : "reserved flags of the fixed header";
  }
}

}  // namespace

FrameResult DecodeFrame(std::string_view bytes, uint32_t packet_bytes_max, HeaderRules rules) {
  if (bytes.empty()) return NeedMore(0);
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto type = static_cast<PacketType>(first >> 4);
  const auto flags = static_cast<uint8_t>(first & 0x0F);
  if (const char* fault = FirstByteFault(type, flags, rules)) {
    return Refuse(ReasonCode::kMalformedPacket, fault);
  }

  size_t body_bytes = 0;
  size_t at = 1;
  for (;; ++at) {
    if (at > kLengthBytesMax) {
      return Refuse(ReasonCode::kMalformedPacket, "remaining length longer than four bytes");
    }
    if (at == bytes.size()) return NeedMore(0);
    const auto byte = static_cast<uint8_t>(bytes[at]);
    body_bytes |= static_cast<size_t>(byte & 0x7Fu) << (7 * (at - 1));
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && at > 1) {
      return Refuse(ReasonCode::kMalformedPacket, "remaining length not minimal");
    }
    break;
  }
  const size_t header_bytes = at + 1;
  const size_t total_bytes = header_bytes + body_bytes;
  if (total_bytes > packet_bytes_max) {
    return Refuse(ReasonCode::kPacketTooLarge, "packet over the limit");
  }
  if (bytes.size() < total_bytes) return NeedMore(total_bytes);

  FrameResult result;
  result.kind = FrameResult::Kind::kFrame;
  result.frame = Frame{type, flags, bytes.substr(header_bytes, body_bytes), total_bytes};
  return result;
}

}  // namespace homeport::mqtt
