#include "services/gateway/flow/publish_acks.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/mqtt/encode.h"
#include "services/gateway/flow/client_packet.h"
#include "services/gateway/session/encode_to_fit.h"

namespace homeport::gateway {

using mqtt::PacketType;
using mqtt::Qos;
using mqtt::ReasonCode;

namespace {

constexpr int64_t kReadAgainMs = 100;
constexpr size_t kPacketIds = 65'535;

// Of a publish whose session outlives its connection; 0 for others.
uint32_t NextNumber(Session& session) {
  Kept* kept = session.kept();
  return kept == nullptr ? 0 : ++kept->received;
}

}  // namespace

FrameOutcome PublishAcks::CheckWindow(Session& session, const mqtt::PublishView& publish) {
  const bool is_again = publish.dup && publish.qos == Qos::kExactlyOnce;
  if (is_again && session.awaits_former) return AwaitFormer(session);
  if (session.unacked_up < c_.config.inflight_max) return FrameOutcome::kConsumed;
  if (session.version == mqtt::Version::k5 && publish.qos == Qos::kExactlyOnce) {
    c_.probe.Refuse(mqtt::Name(ReasonCode::kReceiveMaximumExceeded));
    c_.io.Close(session, {"CLIENT_ERROR", ReasonCode::kReceiveMaximumExceeded, "inflight_max"});
    return FrameOutcome::kConsumed;
  }
  session.waits_for_acks = true;
  return FrameOutcome::kRetry;
}

// The frame is offered again when the former connection's pod has answered, or is late.
FrameOutcome PublishAcks::AwaitFormer(Session& session) {
  session.waits_for_acks = true;
  return FrameOutcome::kRetry;
}

void PublishAcks::ExpectFormer(Session& session, Doubt doubt) {
  session.awaits_former = true;
  c_.reactor.After(c_.config.former_end_ms_max,
                   [this, handle = session.handle(), doubt = std::move(doubt)]() mutable {
                     const Session* there = Awaiting(handle);
                     if (there == nullptr) return ForgetHeir(handle);
                     if (there->waits_for_acks) {
                       c_.probe.Refuse("former_end_ms_max");
                       log::Refusal("former_connection_silent",
                                    {{"device", there->identity->device},
                                     {"pod", doubt.pod},
                                     {"limit", "former_end_ms_max"},
                                     {"next", "what it had received of QoS 2 is read from Redis"}});
                     }
                     ReadReceipts(handle, std::move(doubt));
                   });
}

void PublishAcks::Inherit(SessionHandle former, Session& heir) {
  if (!heir.awaits_former && heir.cold->from_device_qos2.all_stored()) return;
  heirs_[former.packed()] = heir.handle();
}

Session* PublishAcks::Find(SessionHandle handle) {
  if (Session* session = c_.io.sessions().FindKept(handle)) return session;
  const auto heir = heirs_.find(handle.packed());
  return heir == heirs_.end() ? nullptr : c_.io.sessions().FindKept(heir->second);
}

void PublishAcks::ForgetHeir(SessionHandle handle) {
  if (heirs_.empty() || !heirs_.contains(handle.packed())) return;
  const Session* heir = Find(handle);
  const bool is_settled = heir == nullptr || !heir->cold ||
                          (!heir->awaits_former && heir->cold->from_device_qos2.all_stored());
  if (is_settled) heirs_.erase(handle.packed());
}

Session* PublishAcks::Awaiting(SessionHandle handle) {
  Session* session = Find(handle);
  return session != nullptr && session->awaits_former ? session : nullptr;
}

void PublishAcks::ReadReceipts(SessionHandle handle, Doubt doubt) {
  c_.receipts.Read(doubt.pod, [this, handle, doubt](const PodReceipts* receipts) mutable {
    if (receipts != nullptr) return OnFormerEnded(handle, Settle(doubt, *receipts));
    c_.reactor.After(kReadAgainMs, [this, handle, doubt = std::move(doubt)]() mutable {
      if (Awaiting(handle) == nullptr) return ForgetHeir(handle);
      ReadReceipts(handle, std::move(doubt));
    });
  });
}

void PublishAcks::OnFormerEnded(SessionHandle handle, std::span<const uint16_t> received) {
  Session* session = Awaiting(handle);
  if (session == nullptr) return ForgetHeir(handle);
  session->awaits_former = false;
  for (const uint16_t id : received) {
    static_cast<void>(session->Cold().from_device_qos2.Insert({id}, kPacketIds));
  }
  if (!received.empty()) SaveQos2Ids(*session);
  ForgetHeir(handle);
  if (std::exchange(session->waits_for_acks, false)) c_.io.Resume(*session);
}

bool PublishAcks::HasReceived(const Session& session, const mqtt::PublishView& publish) {
  if (publish.qos != Qos::kExactlyOnce || !session.cold) return false;
  const auto ids = session.cold->from_device_qos2.entries();
  return std::any_of(ids.begin(), ids.end(),
                     [&](const auto& entry) { return entry.packet_id == publish.packet_id; });
}

std::optional<OwedAck> PublishAcks::Owe(Session& session, const mqtt::PublishView& publish,
                                        Stream stream) {
  OwedAck ack;
  ack.session = session.handle();
  ack.packet_id = publish.packet_id;
  if (publish.qos == Qos::kExactlyOnce) {
    ack.type = PacketType::kPubrec;
    const auto insertion = session.Cold().from_device_qos2.Insert(
        {publish.packet_id, NextNumber(session)}, Qos2Max(session));
    if (insertion == mqtt::InboundQos2Ids::Insertion::kFull) {
      const bool is_told = session.version == mqtt::Version::k5;
      c_.probe.Refuse(is_told ? mqtt::Name(ReasonCode::kReceiveMaximumExceeded)
                              : std::string_view("qos2_untold_max"));
      c_.io.Close(session, {"CLIENT_ERROR", ReasonCode::kReceiveMaximumExceeded,
                            is_told ? "inflight_max" : "qos2_untold_max"});
      return std::nullopt;
    }
  }
  if (publish.qos == Qos::kAtMostOnce) return ack;
  ++session.unacked_up;
  const bool is_ordered = session.cold && !session.cold->acks.empty();
  ack.is_listed = stream == Stream::kOther || is_ordered;
  if (ack.is_listed) session.Cold().acks.push_back({ack, false});
  return ack;
}

// A client that knows no receive maximum may send all it has before it releases the first.
size_t PublishAcks::Qos2Max(const Session& session) const {
  return session.version == mqtt::Version::k5 ? c_.config.inflight_max : c_.config.qos2_untold_max;
}

void PublishAcks::Answer(Session& session, const mqtt::PublishView& publish, ReasonCode reason) {
  if (publish.qos == Qos::kAtMostOnce) return;
  OwedAck ack;
  ack.session = session.handle();
  ack.packet_id = publish.packet_id;
  ack.reason = reason;
  if (publish.qos == Qos::kExactlyOnce) {
    ack.type = PacketType::kPubrec;
    if (!mqtt::IsFailure(reason) || session.version == mqtt::Version::k311) {
      static_cast<void>(
          session.Cold().from_device_qos2.Insert({publish.packet_id}, Qos2Max(session)));
    }
  }
  ++session.unacked_up;
  if (session.cold && !session.cold->acks.empty()) {
    session.cold->acks.push_back({ack, true});
    return;
  }
  c_.uplink.AppendAck(session.identity->device, ack);
}

FrameOutcome PublishAcks::OnPubrel(Session& session, const mqtt::Frame& frame) {
  if (session.awaits_former) return AwaitFormer(session);
  mqtt::Packet packet;
  const auto* pubrel = ReadPacket<mqtt::Pubrel>(c_, session, frame, packet);
  if (pubrel == nullptr) return FrameOutcome::kConsumed;
  const uint16_t id = pubrel->packet_id;
  const bool known = session.cold && session.cold->from_device_qos2.Remove(id);
  // Whose PUBCOMP was lost with the former connection says PUBREL again: no error in a session that
  // was found (MQTT 5 section 3.7.2.1).
  const bool is_fine = known || (session.kept() != nullptr && session.kept()->was_found);
  const ReasonCode reason = is_fine ? ReasonCode::kSuccess : ReasonCode::kPacketIdentifierNotFound;
  if (session.kept() == nullptr) {
    session.TrimCold();
    SendPubcomp(session, id, reason);
    return FrameOutcome::kConsumed;
  }
  NoteRelease(session, id, reason);
  // One that is unknown comes again for want of its answer. No publish was paced for it.
  return known || c_.io.WithinRate(session, frame.total_bytes) ? FrameOutcome::kConsumed
                                                               : FrameOutcome::kPause;
}

// PUBCOMP lets the client use the id for another message: by then Redis must not call it received.
// All go this way, so they are in the order of the PUBRELs.
void PublishAcks::NoteRelease(const Session& session, uint16_t packet_id, ReasonCode reason) {
  c_.store.Write(session, {SessionStore::Set("in", FormatReceived(session))},
                 [this, handle = session.handle(), packet_id, reason](SessionStore::Written how) {
                   Session* there = c_.io.sessions().Find(handle);
                   if (there == nullptr || how == SessionStore::Written::kNotOurs) return;
                   if (how == SessionStore::Written::kDone) {
                     return SendPubcomp(*there, packet_id, reason);
                   }
                   c_.io.Close(*there, {"SERVER_ERROR", ReasonCode::kServerBusy,
                                        "Redis did not take the release of a packet id"});
                 });
}

void PublishAcks::SendPubcomp(Session& session, uint16_t packet_id, ReasonCode reason) {
  mqtt::Pubcomp answer;
  answer.packet_id = packet_id;
  answer.reason = reason;
  std::string bytes;
  mqtt::EncodePubcomp(answer, session.version, &bytes);
  c_.io.Send(session, bytes);
}

void PublishAcks::Send(std::span<const OwedAck> acks) {
  size_t i = 0;
  while (i < acks.size()) {
    size_t end = i + 1;
    while (end < acks.size() && acks[end].session.packed() == acks[i].session.packed()) ++end;
    NoteStored(acks.subspan(i, end - i));
    if (Session* session = c_.io.sessions().Find(acks[i].session)) {
      if (session->cold && !session->cold->acks.empty()) {
        SendOrdered(*session, acks.subspan(i, end - i));
      } else {
        SendNow(*session, acks.subspan(i, end - i));
      }
    }
    i = end;
  }
}

// Whether the client may be told yet or not, or has left.
void PublishAcks::NoteStored(std::span<const OwedAck> acks) {
  const bool has_pubrec = std::any_of(
      acks.begin(), acks.end(), [](const OwedAck& ack) { return ack.type == PacketType::kPubrec; });
  if (!has_pubrec) return;
  const SessionHandle handle = acks.front().session;
  Session* session = Find(handle);
  if (session != nullptr && session->cold) {
    for (const OwedAck& ack : acks) {
      if (ack.type == PacketType::kPubrec) session->cold->from_device_qos2.SetStored(ack.packet_id);
    }
    SaveQos2Ids(*session);
  }
  ForgetHeir(handle);
}

// Those that are due and have only due ones before them. What is not listed is older than all that
// is: it was appended while nothing was.
void PublishAcks::SendOrdered(Session& session, std::span<const OwedAck> acks) {
  std::deque<OrderedAck>& order = session.cold->acks;
  std::vector<OwedAck> due;
  for (const OwedAck& ack : acks) {
    const auto at = std::find_if(order.begin(), order.end(), [&](const OrderedAck& kept) {
      return !kept.due && kept.ack.packet_id == ack.packet_id && kept.ack.type == ack.type;
    });
    // Some clients use a packet id again before it is free: one that is not listed is no listed
    // one.
    if (!ack.is_listed || at == order.end()) {
      due.push_back(ack);
      continue;
    }
    at->ack.reason = ack.reason;
    at->due = true;
  }
  const bool all_listed = session.unacked_up == order.size() + due.size();
  while (all_listed && !order.empty() && order.front().due) {
    due.push_back(order.front().ack);
    order.pop_front();
  }
  if (!due.empty()) SendNow(session, due);
  if (session.is_open()) session.TrimCold();
}

// All acknowledgements of one session in one write, but for those that say no.
void PublishAcks::SendNow(Session& session, std::span<const OwedAck> acks) {
  constexpr size_t kBytesMax = 1024;
  char bytes[kBytesMax];
  size_t size = 0;
  for (const OwedAck& ack : acks) {
    --session.unacked_up;
    c_.probe.pubacks.Increment();
    const bool plain = ack.reason == ReasonCode::kSuccess || session.version == mqtt::Version::k311;
    if (size + 8 > kBytesMax) {
      c_.io.Send(session, {bytes, size});
      size = 0;
      if (!session.is_open()) return;
    }
    if (plain) {
      mqtt::EncodeAck(ack.type, ack.packet_id, bytes + size);
      size += 4;
    } else {
      const std::string refusal = Refusal(session, ack);
      c_.io.Send(session, {bytes, size});
      size = 0;
      if (session.is_open()) c_.io.Send(session, refusal);
      if (!session.is_open()) return;
    }
  }
  c_.io.Send(session, {bytes, size});
  if (session.is_open() && std::exchange(session.waits_for_acks, false)) c_.io.Resume(session);
}

// A PUBACK or PUBREC that says no, and why where the client wants that and it fits
// [MQTT-3.4.2-2, 3.5.2-2].
std::string PublishAcks::Refusal(const Session& session, const OwedAck& ack) {
  mqtt::Puback refusal;
  refusal.packet_id = ack.packet_id;
  refusal.reason = ack.reason;
  if (session.WantsReasons() && mqtt::IsFailure(ack.reason)) {
    refusal.properties.reason_string = ack.reason == ReasonCode::kNotAuthorized
                                           ? "the topic is not this client's to publish to"
                                           : mqtt::Name(ack.reason);
  }
  std::string bytes = EncodeToFit<mqtt::Puback>(session, std::move(refusal), mqtt::EncodePuback);
  if (ack.type == PacketType::kPubrec) bytes[0] = static_cast<char>(0x50);
  return bytes;
}

// A session that outlives its connection knows on the next one what it has received.
void PublishAcks::SaveQos2Ids(const Session& session) {
  if (session.kept() == nullptr) return;
  c_.store.Write(session, {SessionStore::Set("in", FormatReceived(session))}, {});
}

}  // namespace homeport::gateway
