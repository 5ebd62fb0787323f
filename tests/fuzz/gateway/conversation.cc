#include "tests/fuzz/gateway/conversation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "libs/base/strings.h"
#include "libs/mqtt/topic.h"
#include "tests/fuzz/gateway/packet_maker.h"

namespace homeport::testing {

using mqtt::PacketType;
using mqtt::Qos;
using mqtt::Version;

namespace {

constexpr uint32_t kPacketBytesMax = 256 << 10;

std::optional<uint16_t> PacketIdOf(const mqtt::Packet& packet) {
  return std::visit(
      [](const auto& p) -> std::optional<uint16_t> {
        if constexpr (requires { p.packet_id; }) return p.packet_id;
        return std::nullopt;
      },
      packet);
}

uint8_t DetailOf(const mqtt::Packet& packet) {
  return std::visit(
      [](const auto& p) -> uint8_t {
        if constexpr (requires { p.reason; }) return static_cast<uint8_t>(p.reason);
        if constexpr (requires {
                        p.qos;
                        p.dup;
                      }) {
          return static_cast<uint8_t>(static_cast<uint8_t>(p.qos) << 1 | p.dup << 3);
        }
        return 0;
      },
      packet);
}

bool Matches(const ClientMemory::Filter& filter, std::string_view topic) {
  const auto shared = mqtt::ParseSharedFilter(filter.filter);
  return mqtt::Matches(shared ? shared->filter : std::string_view(filter.filter), topic);
}

bool MatchesAny(const ClientMemory& memory, std::string_view topic) {
  return std::any_of(memory.filters.begin(), memory.filters.end(),
                     [&](const auto& filter) { return Matches(filter, topic); });
}

}  // namespace

mqtt::Limits ScriptLimits() {
  mqtt::Limits limits;
  limits.packet_bytes_max = kPacketBytesMax;
  limits.topic_bytes_max = 65'535;
  limits.topic_levels_max = 256;
  limits.user_properties_max = 10'000;
  limits.filters_per_packet_max = 1000;
  limits.subscription_ids_max = 500;
  return limits;
}

void Conversation::Violation(std::string_view rule) const {
  std::fprintf(stderr, "session script: connection %d: %.*s\n", number_,
               static_cast<int>(rule.size()), rule.data());
  for (const Line& line : lines_) {
    std::fprintf(stderr, "  %c %s id=%d detail=%02x\n", line.direction,
                 std::string(mqtt::Name(line.type)).c_str(), line.packet_id, line.detail);
  }
  std::abort();
}

void Conversation::Note(char direction, const mqtt::Packet& packet) {
  lines_.push_back(
      {direction, mqtt::TypeOf(packet), PacketIdOf(packet).value_or(0), DetailOf(packet)});
}

void Conversation::Sent(std::string_view bytes) {
  if (is_unread_) return;
  sent_ += bytes;
  std::string_view rest = sent_;
  while (!is_unread_) {
    const mqtt::FrameResult result = mqtt::DecodeFrame(
        rest, kPacketBytesMax, is_31_ ? mqtt::HeaderRules::k31 : mqtt::HeaderRules::kCurrent);
    if (result.kind == mqtt::FrameResult::Kind::kNeedMore) break;
    if (result.kind == mqtt::FrameResult::Kind::kError) {
      must_end_ = is_unread_ = true;
      break;
    }
    if (phase_ == Phase::kNothingSent) {
      SentFirst(result.frame);
    } else {
      mqtt::Packet packet;
      const mqtt::DecodeOptions options{version_, mqtt::Side::kServer, ScriptLimits()};
      if (mqtt::Decode(result.frame, options, &packet).ok()) {
        Note('>', packet);
        SentPacket(packet, rest.substr(0, result.frame.total_bytes));
      } else {
        must_end_ = is_unread_ = true;
      }
    }
    rest.remove_prefix(result.frame.total_bytes);
  }
  sent_.erase(0, sent_.size() - rest.size());
}

void Conversation::SentFirst(const mqtt::Frame& frame) {
  phase_ = Phase::kConnecting;
  mqtt::Packet packet;
  const mqtt::DecodeOptions options{Version::k311, mqtt::Side::kServer, ScriptLimits()};
  const bool is_connect = frame.type == PacketType::kConnect;
  if (is_connect && mqtt::Decode(frame, options, &packet).ok()) {
    Note('>', packet);
    return SentConnect(std::get<mqtt::Connect>(packet));
  }
  must_end_ = is_unread_ = true;
  if (!is_connect) return;
  const auto version = mqtt::ConnackVersion(frame.body);
  may_answer_ = version.has_value();
  version_ = version.value_or(Version::k311);
}

void Conversation::SentConnect(const mqtt::Connect& connect) {
  may_answer_ = true;
  version_ = connect.version;
  is_31_ = connect.is_31;
  clean_start_ = connect.clean_start;
  const bool is_5 = version_ == Version::k5;
  expiry_s_ = is_5 ? connect.properties.session_expiry_s.value_or(0) : !connect.clean_start;
  packet_bytes_max_ = connect.properties.packet_bytes_max.value_or(0);
  receive_max_ = connect.properties.receive_max.value_or(65'535);
  topic_alias_max_ = connect.properties.topic_alias_max.value_or(0);
  memory_ = &memories_[std::string(connect.client_id)];
  if (++memory_->awaiting_connack > 1) memory_->exact = false;
  // Before 3.1.1 nobody is told whether a session is there.
  if (is_31_ && !clean_start_) memory_->exact = false;
}

void Conversation::SentPacket(const mqtt::Packet& packet, std::string_view bytes) {
  switch (mqtt::TypeOf(packet)) {
    case PacketType::kPublish:
      return SentPublish(std::get<mqtt::Publish>(packet), bytes);
    case PacketType::kPuback:
      return SentPuback(std::get<mqtt::Puback>(packet));
    case PacketType::kPubrec:
      return SentPubrec(std::get<mqtt::Pubrec>(packet));
    case PacketType::kPubcomp:
      return SentPubcomp(std::get<mqtt::Pubcomp>(packet));
    case PacketType::kPubrel: {
      const uint16_t packet_id = std::get<mqtt::Pubrel>(packet).packet_id;
      memory_->published.erase(packet_id);
      pubcomps_.emplace_back(packet_id, 0);
      return;
    }
    case PacketType::kSubscribe:
      return SentSubscribe(std::get<mqtt::Subscribe>(packet));
    case PacketType::kUnsubscribe: {
      const auto& unsubscribe = std::get<mqtt::Unsubscribe>(packet);
      unsubacks_.emplace_back(unsubscribe.packet_id, unsubscribe.filters.size());
      return;
    }
    case PacketType::kPingreq:
      ++pingresps_;
      return;
    default:  // DISCONNECT, or what is not the client's to send now
      must_end_ = is_unread_ = true;
  }
}

void Conversation::SentPublish(const mqtt::Publish& publish, std::string_view bytes) {
  for (auto& [client_id, other] : memories_) {
    if (!publish.topic.empty() && MatchesAny(other, publish.topic)) ++other.expected;
  }
  if (publish.qos == Qos::kAtLeastOnce) pubacks_.emplace_back(publish.packet_id, 0);
  if (publish.qos != Qos::kExactlyOnce) return;
  pubrecs_.emplace_back(publish.packet_id, 0);
  // A topic alias means nothing on another connection.
  if (publish.properties.topic_alias) return;
  std::string again(bytes);
  again[0] = static_cast<char>(again[0] | 0x08);
  memory_->published[publish.packet_id] = {std::move(again), number_};
}

void Conversation::SentSubscribe(const mqtt::Subscribe& subscribe) {
  subacks_.emplace_back(subscribe.packet_id, subscribe.subscriptions.size());
  for (const mqtt::Subscription& subscription : subscribe.subscriptions) {
    memory_->filters.push_back({std::string(subscription.filter), subscription.qos});
  }
  for (const uint32_t id : subscribe.properties.subscription_ids) {
    memory_->subscription_ids.insert(id);
  }
}

Conversation::InFlight* Conversation::FindInFlight(uint16_t packet_id) {
  const auto at = std::find_if(in_flight_.begin(), in_flight_.end(),
                               [&](const InFlight& it) { return it.packet_id == packet_id; });
  return at == in_flight_.end() ? nullptr : &*at;
}

void Conversation::EraseInFlight(uint16_t packet_id) {
  std::erase_if(in_flight_, [&](const InFlight& it) { return it.packet_id == packet_id; });
}

void Conversation::SentPuback(const mqtt::Puback& puback) {
  const InFlight* message = FindInFlight(puback.packet_id);
  if (message == nullptr) answered_unseen_.insert(puback.packet_id);
  if (message != nullptr && message->qos == Qos::kAtLeastOnce) EraseInFlight(puback.packet_id);
}

void Conversation::SentPubrec(const mqtt::Pubrec& pubrec) {
  InFlight* message = FindInFlight(pubrec.packet_id);
  if (message == nullptr) answered_unseen_.insert(pubrec.packet_id);
  if (mqtt::IsFailure(pubrec.reason)) {
    if (message != nullptr && message->qos == Qos::kExactlyOnce) EraseInFlight(pubrec.packet_id);
    const auto refused = memory_->unreleased.find(pubrec.packet_id);
    if (refused == memory_->unreleased.end()) return;
    --memory_->deliveries[refused->second];  // where this does not arrive, it comes again
    memory_->unreleased.erase(refused);
    return;
  }
  if (message != nullptr) message->received = true;
  memory_->received.insert(pubrec.packet_id);
  ++pubrels_[pubrec.packet_id];
}

void Conversation::SentPubcomp(const mqtt::Pubcomp& pubcomp) {
  const InFlight* message = FindInFlight(pubcomp.packet_id);
  if (message == nullptr) answered_unseen_.insert(pubcomp.packet_id);
  if (message != nullptr && message->qos == Qos::kExactlyOnce) EraseInFlight(pubcomp.packet_id);
}

void Conversation::Received(std::string_view bytes) {
  received_ += bytes;
  std::string_view rest = received_;
  while (!rest.empty()) {
    if (!may_answer_) Violation("the server speaks to a client that has not sent CONNECT");
    const uint32_t limit = packet_bytes_max_ != 0 ? packet_bytes_max_ : mqtt::kRemainingLengthMax;
    const mqtt::FrameResult result = mqtt::DecodeFrame(rest, limit);
    if (result.kind == mqtt::FrameResult::Kind::kNeedMore) break;
    if (result.kind == mqtt::FrameResult::Kind::kError) {
      Violation(fmt::format("no packet within the client's maximum size: {}", result.error.what));
    }
    mqtt::Packet packet;
    const mqtt::DecodeOptions options{version_, mqtt::Side::kClient, ScriptLimits()};
    const mqtt::DecodeError error = mqtt::Decode(result.frame, options, &packet);
    if (!error.ok()) {
      Violation(fmt::format("{}: no packet of a server: {}",
                            std::string(mqtt::Name(result.frame.type)), error.what));
    }
    Note('<', packet);
    GotPacket(packet);
    rest.remove_prefix(result.frame.total_bytes);
  }
  received_.erase(0, received_.size() - rest.size());
}

void Conversation::ReceivedEnd() {
  // A server that cannot write all it has may close in the middle of it.
  constexpr size_t kPacketsCertain = 50;
  if (!received_.empty() && lines_.size() < kPacketsCertain) Violation("an end within a packet");
  Abandoned();
  phase_ = Phase::kEnded;
}

void Conversation::Abandoned() {
  if (phase_ != Phase::kConnecting || memory_ == nullptr) return;
  phase_ = Phase::kEnded;
  memory_->exact = false;  // whether the server has taken the client in nobody knows
}

void Conversation::GotPacket(const mqtt::Packet& packet) {
  const PacketType type = mqtt::TypeOf(packet);
  switch (phase_) {
    case Phase::kConnecting:
      if (type != PacketType::kConnack) Violation("the first packet is not CONNACK");
      return GotConnack(std::get<mqtt::Connack>(packet));
    case Phase::kOnline:
      if (type == PacketType::kConnack) Violation("CONNACK twice");
      return GotOnline(packet);
    case Phase::kRefused:
      Violation("a packet after a CONNACK that refuses");
    case Phase::kDisconnected:
      Violation("a packet after DISCONNECT");
    default:
      Violation("a packet before CONNECT or after the end");
  }
}

void Conversation::GotConnack(const mqtt::Connack& connack) {
  if (memory_ != nullptr) --memory_->awaiting_connack;
  const bool refused = connack.reason != mqtt::ReasonCode::kSuccess;
  phase_ = refused ? Phase::kRefused : Phase::kOnline;
  if (refused && connack.session_present) Violation("session present in a refusal");
  if (refused) return;
  if (memory_ == nullptr) Violation("a CONNECT that cannot be read is accepted");
  on_accepted_(*this);
  if (connack.session_present && clean_start_) Violation("session present after a clean start");
  if (connack.session_present && memory_->exact && !memory_->may_have_session) {
    Violation("session present where there was none");
  }
  was_accepted_ = true;
  resumed_ = connack.session_present || (is_31_ && !clean_start_);
  memory_->may_have_session = expiry_s_ != 0 || resumed_;
  if (resumed_) return;
  memory_->unreleased.clear();
  memory_->deliveries.clear();
  std::erase_if(memory_->published,
                [&](const auto& entry) { return entry.second.connection != number_; });
}

void Conversation::Answered(Expected& expected, uint16_t packet_id, size_t reasons,
                            std::string_view rule) {
  if (expected.empty() || expected.front() != std::make_pair(packet_id, reasons)) Violation(rule);
  expected.pop_front();
}

void Conversation::GotOnline(const mqtt::Packet& packet) {
  switch (mqtt::TypeOf(packet)) {
    case PacketType::kPublish:
      return GotPublish(std::get<mqtt::Publish>(packet));
    case PacketType::kPuback:
      return Answered(pubacks_, std::get<mqtt::Puback>(packet).packet_id, 0,
                      "PUBACK that is not the next one due");
    case PacketType::kPubrec: {
      const auto& pubrec = std::get<mqtt::Pubrec>(packet);
      if (mqtt::IsFailure(pubrec.reason)) memory_->published.erase(pubrec.packet_id);
      return Answered(pubrecs_, pubrec.packet_id, 0, "PUBREC that is not the next one due");
    }
    case PacketType::kPubcomp:
      return Answered(pubcomps_, std::get<mqtt::Pubcomp>(packet).packet_id, 0,
                      "PUBCOMP that is not the next one due");
    case PacketType::kPubrel:
      return GotPubrel(std::get<mqtt::Pubrel>(packet));
    case PacketType::kSuback: {
      const auto& suback = std::get<mqtt::Suback>(packet);
      return Answered(subacks_, suback.packet_id, suback.reasons.size(),
                      "SUBACK that is not the next one due");
    }
    case PacketType::kUnsuback: {
      const auto& unsuback = std::get<mqtt::Unsuback>(packet);
      const bool has_reasons = version_ == Version::k5;
      const size_t reasons =
          has_reasons || unsubacks_.empty() ? unsuback.reasons.size() : unsubacks_.front().second;
      return Answered(unsubacks_, unsuback.packet_id, reasons,
                      "UNSUBACK that is not the next one due");
    }
    case PacketType::kPingresp:
      if (pingresps_ == 0) Violation("PINGRESP without PINGREQ");
      --pingresps_;
      return;
    case PacketType::kDisconnect:
      phase_ = Phase::kDisconnected;
      return;
    default:
      Violation("AUTH without an authentication method");
  }
}

void Conversation::GotPubrel(const mqtt::Pubrel& pubrel) {
  const uint16_t packet_id = pubrel.packet_id;
  memory_->unreleased.erase(packet_id);
  int& due = pubrels_[packet_id];
  if (due > 0) {
    --due;
    return;
  }
  // Of a message that an earlier connection has brought.
  const bool first = resumed_ && released_again_.insert(packet_id).second;
  if (!first) Violation("PUBREL without PUBREC");
  if (!memory_->exact) return;
  if (!memory_->received.contains(packet_id)) Violation("PUBREL of a message never received");
  if (FindInFlight(packet_id) == nullptr) {
    in_flight_.push_back({packet_id, Qos::kExactlyOnce, true});
  }
}

std::string Conversation::ResolveTopic(const mqtt::Publish& publish) {
  const uint16_t alias = publish.properties.topic_alias.value_or(0);
  if (alias == 0) return std::string(publish.topic);
  if (alias > topic_alias_max_) Violation("a topic alias beyond the client's maximum");
  std::string& known = topic_aliases_[alias];
  if (!publish.topic.empty()) known = std::string(publish.topic);
  if (known.empty()) Violation("a topic alias that was never set");
  return known;
}

void Conversation::GotPublish(const mqtt::Publish& publish) {
  const std::string topic = ResolveTopic(publish);
  if (memory_->expected > 0) --memory_->expected;
  for (const uint32_t id : publish.properties.subscription_ids) {
    if (memory_->exact && !memory_->subscription_ids.contains(id)) {
      Violation("a subscription identifier that the client has not given");
    }
  }
  if (memory_->exact) CheckSubscribed(publish, topic);
  if (publish.qos == Qos::kAtMostOnce) return;
  CheckWindow(publish);
  if (memory_->exact && publish.qos == Qos::kExactlyOnce) CheckOnce(publish, topic);
}

void Conversation::CheckSubscribed(const mqtt::Publish& publish, const std::string& topic) const {
  bool matches = false;
  bool qos_fits = false;
  for (const ClientMemory::Filter& known : memory_->filters) {
    if (!Matches(known, topic)) continue;
    matches = true;
    qos_fits |= publish.qos <= known.qos;
  }
  if (!matches) Violation("a message on a topic that the client has not subscribed to");
  if (!qos_fits) Violation("a message of a higher QoS than the client has asked for");
}

void Conversation::CheckWindow(const mqtt::Publish& publish) {
  if (answered_unseen_.contains(publish.packet_id)) return;  // it may be answered already
  if (FindInFlight(publish.packet_id) != nullptr) Violation("a packet id that is in flight");
  in_flight_.push_back({publish.packet_id, publish.qos, false});
  if (in_flight_.size() > receive_max_) Violation("more in flight than the receive maximum");
}

// A message comes once for all subscriptions that are not shared, and once for each that is.
void Conversation::CheckOnce(const mqtt::Publish& publish, const std::string& topic) {
  const std::optional<Tag> tag = PacketMaker::TagOf(publish.payload);
  if (!tag || publish.retain) return;
  const auto known = memory_->unreleased.find(publish.packet_id);
  if (known != memory_->unreleased.end()) {
    if (answered_unseen_.contains(publish.packet_id)) return;
    if (known->second != *tag) Violation("another message under the id of one not yet released");
    if (!publish.dup) Violation("a message that is sent again without DUP");
    return;
  }
  memory_->unreleased[publish.packet_id] = *tag;
  if (PacketMaker::IsRetained(*tag)) return;
  bool is_plain = false;
  std::set<std::string_view> shared;
  for (const ClientMemory::Filter& filter : memory_->filters) {
    if (!Matches(filter, topic)) continue;
    if (mqtt::IsSharedFilter(filter.filter)) {
      shared.insert(filter.filter);
    } else {
      is_plain = true;
    }
  }
  const int allowed = static_cast<int>(shared.size()) + (is_plain ? 1 : 0);
  if (++memory_->deliveries[*tag] > allowed) Violation("a QoS 2 message delivered twice");
}

bool Conversation::IsAnswerDue() const {
  if (phase_ == Phase::kEnded) return false;
  if (must_end_ || phase_ == Phase::kRefused || phase_ == Phase::kDisconnected) return true;
  if (phase_ == Phase::kConnecting) return true;
  return !pubacks_.empty() || !pubrecs_.empty() || !pubcomps_.empty() || !subacks_.empty() ||
         !unsubacks_.empty() || pingresps_ > 0;
}

std::string Conversation::Due() const {
  return fmt::format(
      "phase {} must_end {} PUBACK {} PUBREC {} PUBCOMP {} SUBACK {} UNSUBACK {} PINGRESP {}",
      static_cast<int>(phase_), must_end_, pubacks_.size(), pubrecs_.size(), pubcomps_.size(),
      subacks_.size(), unsubacks_.size(), pingresps_);
}

}  // namespace homeport::testing
