#include "services/gateway/flow/delivery.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/json/cbor.h"
#include "libs/json/parse.h"
#include "libs/mqtt/encode.h"
#include "services/gateway/flow/client_packet.h"
#include "services/gateway/flow/subscribe_flow.h"

namespace homeport::gateway {
namespace {

using mqtt::Awaiting;
using mqtt::Qos;
using mqtt::ReasonCode;
using mqtt::Version;

constexpr char kTopicAliasId = 0x23;  // section 2.2.2.2
constexpr size_t kHeadBytesMax = 16;  // of a PUBLISH with an alias, beside topic and properties
constexpr size_t kLoggedBytes = 256;
constexpr size_t kKeptBytes = 512;  // of a kept message beside topic and payload, about

// Of the message, and of this delivery of it; version 5 only.
std::string PropertiesOf(const OutMessage& out, int64_t expires_in_s) {
  mqtt::Properties added;
  if (out.message->has_expiry_s()) {
    added.message_expiry_s = static_cast<uint32_t>(expires_in_s);  // [MQTT-3.3.2-6]
  }
  added.subscription_ids = out.subscription_ids;
  if (!out.message->has_expiry_s() && out.subscription_ids.empty()) {
    return out.message->properties();
  }
  std::string bytes = out.message->properties();
  mqtt::AppendProperties(added, mqtt::PlaceOf(mqtt::PacketType::kPublish), &bytes);
  return bytes;
}

// How a topic is named to a client that takes topic aliases: 0 is by its name; a number that is not
// known yet goes with the name. Numbers are given to the first topics that are sent.
struct Alias {
  uint16_t number = 0;
  bool is_known = false;
};

Alias AliasOf(const Session& session, std::string_view topic) {
  if (!session.cold || session.cold->aliases_out.max == 0) return {};
  const TopicAliases& aliases = session.cold->aliases_out;
  const auto at = std::find(aliases.topics.begin(), aliases.topics.end(), topic);
  const auto number = static_cast<uint16_t>(at - aliases.topics.begin() + 1);
  if (at != aliases.topics.end()) return {number, true};
  return number <= aliases.max ? Alias{number, false} : Alias{};
}

}  // namespace

size_t Delivery::Window(const Session& session) const {
  const size_t limit = c_.config.inflight_max;
  return session.cold ? std::min<size_t>(limit, session.cold->receive_max) : limit;
}

DeliveryResult Delivery::Deliver(SessionHandle handle, uint64_t epoch, const Message& message) {
  Session* session = c_.io.sessions().Find(handle);
  if (session == nullptr || session->phase != Phase::kOnline || session->epoch != epoch) {
    c_.probe.stale_epochs.Increment();
    return DeliveryResult::kStale;
  }
  OwnGrant grant = GrantOf(*session, message.topic);
  if (grant.qos < 0) return DeliveryResult::kNotSubscribed;
  auto stored = std::make_shared<BusMessage>();
  stored->set_topic(std::string(message.topic));
  stored->set_payload(std::string(message.payload));
  if (message.expiry_s) {
    stored->set_expiry_s(*message.expiry_s);
    stored->set_received_ms(c_.reactor.wall().value);
  }
  OutMessage out{std::move(stored), std::move(grant.ids),
                 static_cast<Qos>(std::min(grant.qos, message.qos))};
  return Send(*session, std::move(out), nullptr);
}

DeliveryResult Delivery::DeliverTyped(SessionHandle handle, uint64_t epoch,
                                      const Message& message) {
  const DeliveryResult result = Deliver(handle, epoch, message);
  json::Value value;
  if (result != DeliveryResult::kNotSubscribed ||
      !json::ParseInto(message.payload, {}, value).ok()) {
    return result;
  }
  std::string payload;
  json::WriteCbor(value, payload);
  const std::string topic = std::string(message.topic) + "/cbor";
  return Deliver(handle, epoch, {topic, payload, message.qos, message.expiry_s});
}

DeliveryResult Delivery::Send(Session& session, OutMessage out, const Origin* from,
                              OnKept on_kept) {
  if (out.qos == Qos::kAtMostOnce) {
    return SendUnacknowledged(session, out);
  }
  out.again |= from != nullptr && from->again;
  std::optional<Outbound::KeptAs> kept = Outbound::KeptAs();
  if (session.kept() != nullptr) {
    kept = Keep(session, out, from, std::move(on_kept));
  } else if (!MayWait(session.Cold().outbound, *out.message)) {
    kept = std::nullopt;
  }
  if (!kept) {
    Drop(session, out.message->topic(), "delivery_queue_full",
         session.is_away() ? "the client is away" : "the client does not acknowledge");
    return DeliveryResult::kQueueFull;
  }
  if (session.is_away()) return DeliveryResult::kSent;
  session.Cold().outbound.Push(std::move(out), *kept);
  SendWaiting(session);
  return DeliveryResult::kSent;
}

DeliveryResult Delivery::SendUnacknowledged(Session& session, const OutMessage& out) {
  if (!session.is_open()) return DeliveryResult::kSent;
  const BusMessage& message = *out.message;
  if (!c_.io.HasRoom(session, message.topic().size() + message.payload().size())) {
    Drop(session, message.topic(), "delivery_output_full", "the client reads too slowly");
    return DeliveryResult::kQueueFull;
  }
  static_cast<void>(Write(session, out, nullptr));
  return DeliveryResult::kSent;
}

// One more behind what a connected client has not taken; the first of them always.
bool Delivery::MayWait(const Outbound& outbound, const BusMessage& message) const {
  if (outbound.waiting() >= c_.config.waiting_messages_max) return false;
  return outbound.waiting() == 0 ||
         outbound.waiting_bytes() + message.payload().size() <= c_.config.waiting_bytes_max;
}

bool Delivery::HasRoom(const Session& session, const OutMessage& out) const {
  const BusMessage& message = *out.message;
  const size_t bytes = message.topic().size() + message.payload().size();
  if (out.qos == Qos::kAtMostOnce) return c_.io.HasRoom(session, bytes);
  if (const Kept* queue = session.kept()) {
    return queue->queued == 0 ||
           (queue->queued < c_.config.queue_messages_max &&
            queue->queued_bytes + bytes + kKeptBytes <= c_.config.queue_bytes_max);
  }
  if (!session.cold || session.cold->outbound.waiting() == 0) return true;
  const Outbound& outbound = session.cold->outbound;
  return outbound.waiting() < c_.config.waiting_messages_max / 2 &&
         outbound.waiting_bytes() + bytes <= c_.config.waiting_bytes_max / 2;
}

Delivery::DirectResult Delivery::SendDirect(Session& session, OutMessage out, uint16_t* packet_id) {
  const bool is_acknowledged = out.qos != Qos::kAtMostOnce;
  const auto has_no_room = [&](const Outbound& outbound) {
    return outbound.waiting() > 0 || outbound.size() >= Window(session);
  };
  if (session.writing || (is_acknowledged && has_no_room(session.Cold().outbound))) {
    return DirectResult::kWindowFull;
  }
  bool is_written = false;
  if (is_acknowledged) {
    Outbound& outbound = session.cold->outbound;
    if (session.kept() != nullptr) outbound.ExpectKept();
    outbound.Push(std::move(out), {});
    const Outbound::Entry entry = *outbound.Next(Window(session));  // writing may end the session
    *packet_id = entry.packet_id;
    is_written = Write(session, entry.out, &entry);
    if (!is_written) outbound.DropLast();
  } else {
    is_written = Write(session, out, nullptr);
  }
  if (!session.is_open()) return DirectResult::kEnded;
  session.TrimCold();
  return is_written ? DirectResult::kSent : DirectResult::kTooLarge;
}

std::optional<Outbound::KeptAs> Delivery::Keep(Session& session, const OutMessage& out,
                                               const Origin* from, OnKept on_kept) {
  Kept& queue = *session.kept();
  internal::v1::KeptMessage message;
  *message.mutable_message() = *out.message;
  message.set_qos(static_cast<uint32_t>(out.qos));
  message.set_retain(out.retain);
  message.set_again(out.again);
  if (out.shared) message.set_group(out.shared->group);
  queue.is_shared |= out.shared != nullptr;
  for (const uint32_t id : out.subscription_ids) message.add_subscription_ids(id);
  std::string bytes = message.SerializeAsString();
  const auto has_room = [&] {
    return queue.queued < c_.config.queue_messages_max &&
           queue.queued_bytes + bytes.size() <= c_.config.queue_bytes_max;
  };
  if (!has_room()) ForgetExpired(session);
  if (!has_room()) return std::nullopt;
  const Outbound::KeptAs kept{++queue.last_number, static_cast<uint32_t>(bytes.size())};
  if (session.is_away() && out.message->has_expiry_s()) {
    const int64_t due_ms = out.message->received_ms() + int64_t{out.message->expiry_s()} * 1000;
    queue.expiring.push_back({due_ms, kept.number, kept.bytes});
  }
  ++queue.queued;
  queue.queued_bytes += kept.bytes;
  std::vector<SessionStore::Change> changes;
  changes.push_back(SessionStore::Queue(kept.number, std::move(bytes)));
  if (std::exchange(queue.is_level, false)) changes.push_back(SessionStore::Remove("c"));
  if (from != nullptr) {
    changes.push_back(SessionStore::Set(PlaceField(from->partition), FormatPlace(from->place)));
  }
  if (out.qos == Qos::kExactlyOnce && !session.is_away()) {
    on_kept = [this, handle = session.handle(), number = kept.number,
               next = std::move(on_kept)](SessionStore::Written how) mutable {
      if (next) next(how);
      OnStored(handle, number, how);
    };
  }
  c_.store.Write(session, std::move(changes), std::move(on_kept));
  c_.probe.queued_messages.Increment();
  return kept;
}

void Delivery::ForgetExpired(const Session& session) {
  Kept& queue = *session.kept();
  if (!session.is_away() || queue.expiring.empty()) return;
  const int64_t now_ms = c_.reactor.wall().value;
  std::vector<SessionStore::Change> changes;
  std::erase_if(queue.expiring, [&](const Kept::Expiring& message) {
    if (message.due_ms > now_ms) return false;
    --queue.queued;
    queue.queued_bytes -= message.bytes;
    changes.push_back(SessionStore::Unqueue(message.number));
    c_.probe.Refuse("message_expired");
    return true;
  });
  if (changes.empty()) return;
  log::Refusal("queued_messages_expired", {{"device", session.identity->device},
                                           {"client", session.identity->client},
                                           {"messages", changes.size()}});
  c_.store.Write(session, std::move(changes), {});
}

// A session that is another's by now ends here; what Redis could not take is sent all the same.
void Delivery::OnStored(SessionHandle handle, uint64_t number, SessionStore::Written how) {
  Session* session = c_.io.sessions().Find(handle);
  if (session == nullptr || !session->cold || how == SessionStore::Written::kNotOurs) return;
  session->cold->outbound.SetStored(number);
  SendWaiting(*session);
}

void Delivery::Unkeep(const Session& session, const Outbound::KeptAs& kept) {
  Kept* queue = session.kept();
  if (kept.number == 0 || queue == nullptr) return;
  --queue->queued;
  queue->queued_bytes -= kept.bytes;
  c_.store.Write(session, {SessionStore::Unqueue(kept.number)}, {});
}

void Delivery::Resume(Session& session) {
  if (!session.cold) return;
  std::vector<uint16_t> released;  // sending may end the session
  session.cold->outbound.VisitReleased([&](uint16_t packet_id) { released.push_back(packet_id); });
  for (const uint16_t packet_id : released) {
    if (session.is_open()) SendPubrel(session, packet_id, ReasonCode::kSuccess);
  }
  if (session.is_open()) SendWaiting(session);
}

// Where much waits for the client's socket already, its next acknowledgement sends the rest.
void Delivery::SendWaiting(Session& session) {
  while (session.is_open() && session.cold) {
    Outbound& outbound = session.cold->outbound;
    if (outbound.under_way() > 0 && !c_.io.HasRoom(session, outbound.next_bytes())) break;
    Outbound::Entry* entry = outbound.Next(Window(session));
    if (entry == nullptr) break;
    const Outbound::Entry copy = *entry;  // writing may end the session
    if (!Write(session, copy.out, &copy)) {
      Unkeep(session, copy.kept);
      session.cold->outbound.DropLast();
    }
  }
  if (session.is_open()) session.TrimCold();
}

// Seconds that are left of what its publisher gave it.
std::optional<int64_t> Delivery::ExpiryOf(const BusMessage& message) const {
  if (!message.has_expiry_s()) return std::nullopt;
  const int64_t age_s = (c_.reactor.wall().value - message.received_ms()) / 1000;
  return int64_t{message.expiry_s()} - age_s;
}

bool Delivery::Write(Session& session, const OutMessage& out, const Outbound::Entry* entry) {
  const BusMessage& message = *out.message;
  if (message.topic().size() > mqtt::kStringBytesMax) {  // an answer's, longer than its request's
    Drop(session, message.topic().substr(0, kLoggedBytes), "delivery_topic_bytes",
         "its topic has more bytes than MQTT can say");
    return false;
  }
  const std::optional<int64_t> expires_in_s = ExpiryOf(message);
  // One of QoS 2 that may have been sent does not expire [MQTT-4.3.3-7].
  const bool stays = entry != nullptr && entry->out.again && out.qos == Qos::kExactlyOnce;
  if (expires_in_s && *expires_in_s <= 0 && !stays) {
    Drop(session, message.topic(), "message_expired", "its expiry interval has passed");
    return false;
  }
  std::string properties;
  if (session.version == Version::k5) {
    properties = PropertiesOf(out, std::max<int64_t>(expires_in_s.value_or(0), 0));
  }
  Alias alias = AliasOf(session, message.topic());
  if (!alias.is_known && !session.FitsClient(kHeadBytesMax + message.topic().size() +
                                             properties.size() + message.payload().size())) {
    alias = {};  // which would be what makes it too large
  }
  if (alias.number != 0) {
    properties += {kTopicAliasId, static_cast<char>(alias.number >> 8),
                   static_cast<char>(alias.number & 0xff)};
  }
  mqtt::PublishHeader header;
  header.version = session.version;
  header.topic = alias.is_known ? std::string_view() : message.topic();
  header.property_bytes = properties;
  header.payload_bytes = message.payload().size();
  header.packet_id = entry != nullptr ? entry->packet_id : 0;
  header.dup = entry != nullptr && entry->out.again;
  header.qos = out.qos;
  header.retain = out.retain;
  std::string bytes(mqtt::PublishHeaderBytes(header), '\0');
  mqtt::EncodePublishHeader(header, bytes.data());
  const size_t total = bytes.size() + message.payload().size();
  if (!session.FitsClient(total)) {
    // [MQTT-3.1.2-25]: dropped as if it had been delivered.
    Drop(session, message.topic(), "client_packet_bytes_max",
         "over the client's maximum packet size");
    return false;
  }
  if (alias.number != 0 && !alias.is_known) {
    session.cold->aliases_out.topics.push_back(message.topic());
  }
  c_.probe.deliveries.Increment();
  c_.traffic.ToClient(session.handle(), total);
  c_.io.Send(session, bytes, message.payload());
  return true;
}

void Delivery::Drop(const Session& session, std::string_view topic, std::string_view reason,
                    std::string_view text) {
  c_.probe.Refuse(reason);
  log::Refusal("delivery_dropped",
               {{"device", session.identity->device}, {"topic", topic}, {"reason", text}});
}

// QoS 1 is answered by PUBACK, QoS 2 by PUBREC and then PUBCOMP (section 4.3).
bool Delivery::CheckAnswer(Session& session, uint16_t packet_id, Awaiting answer) {
  if (!session.cold || session.cold->outbound.Fits(packet_id, answer)) return true;
  c_.probe.Refuse(mqtt::Name(ReasonCode::kProtocolError));
  c_.io.Close(session, {"CLIENT_ERROR", ReasonCode::kProtocolError,
                        "an acknowledgement that is not of the message's QoS"});
  return false;
}

FrameOutcome Delivery::OnPuback(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  const auto* puback = ReadPacket<mqtt::Puback>(c_, session, frame, packet);
  if (puback == nullptr || !session.cold) return FrameOutcome::kConsumed;
  if (!CheckAnswer(session, puback->packet_id, Awaiting::kPuback)) return FrameOutcome::kConsumed;
  if (!puback_waits_.empty()) {
    puback_waits_.Acknowledged(session.handle(), puback->packet_id, puback->reason);
  }
  OnComplete(session, puback->packet_id, Awaiting::kPuback);
  return FrameOutcome::kConsumed;
}

// A failure ends the exchange; else PUBREL, also for an id that is unknown: then with 0x92, which
// lets the client forget it [MQTT-4.3.3-4].
FrameOutcome Delivery::OnPubrec(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  const auto* pubrec = ReadPacket<mqtt::Pubrec>(c_, session, frame, packet);
  if (pubrec == nullptr) return FrameOutcome::kConsumed;
  if (!CheckAnswer(session, pubrec->packet_id, Awaiting::kPubrec)) return FrameOutcome::kConsumed;
  if (mqtt::IsFailure(pubrec->reason)) {
    OnComplete(session, pubrec->packet_id, Awaiting::kPubrec);
    return FrameOutcome::kConsumed;
  }
  std::optional<Outbound::KeptAs> known;
  if (session.cold) known = session.cold->outbound.Received(pubrec->packet_id);
  if (known && known->number != 0 && session.kept() != nullptr) {
    const bool is_again = known->bytes == 0;
    // The message is the client's; its number stays until PUBCOMP.
    session.kept()->queued_bytes -= known->bytes;
    session.cold->outbound.ForgetBytes(pubrec->packet_id);
    // Behind that: else whoever has the session next would send the message again, under an id that
    // the client has released.
    const auto send = [this, handle = session.handle(),
                       id = pubrec->packet_id](SessionStore::Written how) {
      Session* there = c_.io.sessions().Find(handle);
      if (there == nullptr || how == SessionStore::Written::kNotOurs) return;
      if (how == SessionStore::Written::kDone) return SendPubrel(*there, id, ReasonCode::kSuccess);
      c_.io.Close(*there, {"SERVER_ERROR", ReasonCode::kServerBusy,
                           "Redis did not take that a message is received"});
    };
    c_.store.Write(session, {SessionStore::Queue(known->number, std::string())}, send);
    // No message was sent for one that comes again.
    return !is_again || c_.io.WithinRate(session, frame.total_bytes) ? FrameOutcome::kConsumed
                                                                     : FrameOutcome::kPause;
  }
  SendPubrel(session, pubrec->packet_id,
             known ? ReasonCode::kSuccess : ReasonCode::kPacketIdentifierNotFound);
  return known || c_.io.WithinRate(session, frame.total_bytes) ? FrameOutcome::kConsumed
                                                               : FrameOutcome::kPause;
}

void Delivery::SendPubrel(Session& session, uint16_t packet_id, ReasonCode reason) {
  mqtt::Pubrel pubrel;
  pubrel.packet_id = packet_id;
  pubrel.reason = reason;
  std::string bytes;
  mqtt::EncodePubrel(pubrel, session.version, &bytes);
  c_.io.Send(session, bytes);
}

void Delivery::OnComplete(Session& session, uint16_t packet_id, Awaiting answer) {
  if (!session.cold) return;
  if (const auto kept = session.cold->outbound.Complete(packet_id, answer)) Unkeep(session, *kept);
  SendWaiting(session);
}

FrameOutcome Delivery::OnPubcomp(Session& session, const mqtt::Frame& frame) {
  mqtt::Packet packet;
  const auto* pubcomp = ReadPacket<mqtt::Pubcomp>(c_, session, frame, packet);
  if (pubcomp == nullptr || !session.cold) return FrameOutcome::kConsumed;
  if (!CheckAnswer(session, pubcomp->packet_id, Awaiting::kPubcomp)) return FrameOutcome::kConsumed;
  OnComplete(session, pubcomp->packet_id, Awaiting::kPubcomp);
  return FrameOutcome::kConsumed;
}

}  // namespace homeport::gateway
