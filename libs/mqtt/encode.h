#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/mqtt/packets.h"

// Encoders append one whole packet. They write what they are given and never fail. REQUIRES, of
// all: strings up to 65,535 bytes, packets up to 268,435,455 bytes, packet ids as the type demands.
// A peer's maximum packet size is the caller's concern: compare what was appended.
namespace homeport::mqtt {

void Encode(const Packet& packet, Version version, std::string* out);  // Connect: its own version

void EncodeConnect(const Connect& packet, std::string* out);
void EncodeConnack(const Connack& packet, Version version, std::string* out);
void EncodePublish(const Publish& packet, Version version, std::string* out);
void EncodePuback(const Puback& packet, Version version, std::string* out);
void EncodePubrec(const Pubrec& packet, Version version, std::string* out);
void EncodePubrel(const Pubrel& packet, Version version, std::string* out);
void EncodePubcomp(const Pubcomp& packet, Version version, std::string* out);
void EncodeSubscribe(const Subscribe& packet, Version version, std::string* out);
void EncodeSuback(const Suback& packet, Version version, std::string* out);
void EncodeUnsubscribe(const Unsubscribe& packet, Version version, std::string* out);
void EncodeUnsuback(const Unsuback& packet, Version version, std::string* out);
void EncodePingreq(std::string* out);
void EncodePingresp(std::string* out);
void EncodeDisconnect(const Disconnect& packet, Version version, std::string* out);
void EncodeAuth(const Auth& packet, std::string* out);  // version 5 only

// Hot paths: no allocation, into the caller's memory.

// A four-byte acknowledgement that says success, the same in both versions.
// REQUIRES: type is kPuback, kPubrec, kPubrel or kPubcomp.
void EncodeAck(PacketType type, uint16_t packet_id, char out[4]);
inline void EncodePuback(uint16_t packet_id, char out[4]) {
  EncodeAck(PacketType::kPuback, packet_id, out);
}

// Everything of a PUBLISH before its payload.
struct PublishHeader {
  Version version = Version::k311;
  std::string_view topic;
  std::string_view property_bytes;  // encoded properties without their length; version 5 only
  size_t payload_bytes = 0;
  uint16_t packet_id = 0;  // ignored at QoS 0
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
};

// Size of the header; the packet is this plus payload_bytes.
[[nodiscard]] size_t PublishHeaderBytes(const PublishHeader& header);
// Writes exactly PublishHeaderBytes(header) bytes and returns how many.
size_t EncodePublishHeader(const PublishHeader& header, char* out);

}  // namespace homeport::mqtt
