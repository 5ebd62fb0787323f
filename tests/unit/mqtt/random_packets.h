#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>

#include "libs/mqtt/decode.h"

namespace homeport::mqtt {

// Makes packets that an encoder may be given and a decoder must accept, the same for the same seed.
// The packets' views point into the generator, which must outlive them.
class RandomPackets {
 public:
  explicit RandomPackets(uint64_t seed) : random_(seed) {}

  [[nodiscard]] Packet Next(PacketType type, Version version);

 private:
  uint32_t Number(uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random_);
  }
  bool Chance() { return Number(0, 1) == 1; }
  Qos AnyQos() { return static_cast<Qos>(Number(0, 2)); }
  uint16_t PacketId() { return static_cast<uint16_t>(Number(1, 65'535)); }
  std::string_view Keep(std::string text) { return kept_.emplace_back(std::move(text)); }
  std::string_view Text();
  std::string_view Bytes();
  std::string_view Topic();
  std::string_view Filter();
  ReasonCode Reason(PacketType type, Version version);
  Properties AnyProperties(PropertyPlace place, Version version);
  Connect AnyConnect(Version version);
  Publish AnyPublish(Version version);
  Subscribe AnySubscribe(Version version);
  template <typename T>
  T Acknowledge(PacketType type, Version version);
  template <typename T>
  T AnswerFilters(PacketType type, Version version);

  std::mt19937_64 random_;
  std::deque<std::string> kept_;
};

// Who receives packets of that type.
[[nodiscard]] inline Side ReceiverOf(PacketType type) {
  switch (type) {
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
    case PacketType::kPublish:  // may carry subscription identifiers
      return Side::kClient;
    default:
      return Side::kServer;
  }
}

}  // namespace homeport::mqtt
