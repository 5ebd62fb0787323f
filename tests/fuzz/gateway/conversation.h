#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/mqtt/decode.h"
#include "tests/fuzz/gateway/client_memory.h"

namespace homeport::testing {

// What the server takes from a client at most: the limits of profile conformance.
[[nodiscard]] mqtt::Limits ScriptLimits();

// One connection's bytes, both ways, read as MQTT: what the client has sent says what the server
// may answer, and whatever the server sends beside that ends the process, with a line that names
// the rule. What the client sends need not be MQTT.
class Conversation {
 public:
  // Called when CONNACK has come that accepts, before anything behind it is looked at.
  using OnAccepted = std::function<void(const Conversation&)>;

  // `memories` must outlive the conversation. `number` is unique in the script.
  Conversation(ClientMemories& memories, int number, OnAccepted on_accepted)
      : memories_(memories), number_(number), on_accepted_(std::move(on_accepted)) {}

  void Sent(std::string_view bytes);
  void Received(std::string_view bytes);
  void ReceivedEnd();
  // The client has closed without reading on.
  void Abandoned();

  [[nodiscard]] bool was_accepted() const { return was_accepted_; }
  // Whether a message of the client id, sent by it before, may be sent again here.
  [[nodiscard]] bool MayRepeat(const ClientMemory::Published& published) const {
    return memory_->exact && (published.connection == number_ || resumed_);
  }
  // Whether the server owes the client a packet or the end of the connection.
  [[nodiscard]] bool IsAnswerDue() const;
  [[nodiscard]] std::string Due() const;  // for a message
  // Whether a message may be on its way to the client.
  [[nodiscard]] bool IsMessageExpected() const {
    return phase_ == Phase::kOnline && memory_->expected > 0;
  }
  void ExpectNoMessage() { memory_->expected = 0; }
  [[nodiscard]] mqtt::Version version() const { return version_; }
  // Of the client id; nullptr before CONNECT.
  [[nodiscard]] ClientMemory* memory() const { return memory_; }

  // A message of the server's that the client is to answer next.
  struct InFlight {
    uint16_t packet_id = 0;
    mqtt::Qos qos = mqtt::Qos::kAtLeastOnce;
    bool received = false;  // PUBREC is sent
  };
  [[nodiscard]] const std::vector<InFlight>& in_flight() const { return in_flight_; }

  // Names the rule that the server has broken, prints what was said, and aborts.
  [[noreturn]] void Violation(std::string_view rule) const;

 private:
  enum class Phase : uint8_t {
    kNothingSent,
    kConnecting,
    kOnline,
    kRefused,
    kDisconnected,
    kEnded
  };
  struct Line {
    char direction;
    mqtt::PacketType type;
    uint16_t packet_id;
    uint8_t detail;
  };
  using Expected = std::deque<std::pair<uint16_t, size_t>>;  // packet id, number of reasons

  void SentFirst(const mqtt::Frame& frame);
  void SentConnect(const mqtt::Connect& connect);
  void SentPacket(const mqtt::Packet& packet, std::string_view bytes);
  void SentPublish(const mqtt::Publish& publish, std::string_view bytes);
  void SentSubscribe(const mqtt::Subscribe& subscribe);
  void SentPuback(const mqtt::Puback& puback);
  void SentPubrec(const mqtt::Pubrec& pubrec);
  void SentPubcomp(const mqtt::Pubcomp& pubcomp);

  void GotPacket(const mqtt::Packet& packet);
  void GotConnack(const mqtt::Connack& connack);
  void GotOnline(const mqtt::Packet& packet);
  void GotPublish(const mqtt::Publish& publish);
  void GotPubrel(const mqtt::Pubrel& pubrel);
  [[nodiscard]] std::string ResolveTopic(const mqtt::Publish& publish);
  void CheckSubscribed(const mqtt::Publish& publish, const std::string& topic) const;
  void CheckWindow(const mqtt::Publish& publish);
  void CheckOnce(const mqtt::Publish& publish, const std::string& topic);
  void Answered(Expected& expected, uint16_t packet_id, size_t reasons, std::string_view rule);
  [[nodiscard]] InFlight* FindInFlight(uint16_t packet_id);
  void EraseInFlight(uint16_t packet_id);
  void Note(char direction, const mqtt::Packet& packet);

  ClientMemories& memories_;
  const int number_;
  const OnAccepted on_accepted_;
  ClientMemory* memory_ = nullptr;
  std::string sent_;      // a packet in part
  std::string received_;  // a packet in part
  std::vector<Line> lines_;

  Phase phase_ = Phase::kNothingSent;
  bool must_end_ = false;    // the client has sent what ends the connection
  bool is_unread_ = false;   // … so that what it sends is not read any more
  bool may_answer_ = false;  // a CONNECT was sent, so a CONNACK may come
  mqtt::Version version_ = mqtt::Version::k311;
  bool is_31_ = false;
  bool clean_start_ = true;
  uint32_t expiry_s_ = 0;
  uint32_t packet_bytes_max_ = 0;  // 0: no limit
  uint16_t receive_max_ = 65'535;
  uint16_t topic_alias_max_ = 0;
  std::map<uint16_t, std::string> topic_aliases_;  // of the server

  Expected pubacks_, pubrecs_, pubcomps_, subacks_, unsubacks_;
  std::map<uint16_t, int> pubrels_;  // how many may come
  size_t pingresps_ = 0;
  bool was_accepted_ = false;
  bool resumed_ = false;
  std::vector<InFlight> in_flight_;
  std::set<uint16_t> answered_unseen_;  // packet ids the client acknowledged before it saw them
  std::set<uint16_t> released_again_;   // PUBREL of an earlier connection's message, seen
};

}  // namespace homeport::testing
