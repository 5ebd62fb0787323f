// The part of PubSub for shared subscriptions (MQTT 5 section 4.8.2).

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "services/gateway/pubsub/pub_sub.h"

namespace homeport::gateway {
namespace {

using mqtt::Qos;

constexpr int64_t kAwayClaimMs = 100;

}  // namespace

// Every shard with members reads the message; the one that sets the key first delivers it. One
// whose members are all away leaves the others some time, so that a client that is there has it.
void PubSub::OnShared(SharedGroup& group, const Delivery::Origin& from,
                      const SharedMessage& message) {
  const bool is_for_any =
      std::any_of(group.members.begin(), group.members.end(), [&](const auto& member) {
        // Nothing that was published before a member joined, and nothing until that is known.
        if (member.second->IsBehind(from.partition, from.place.pos)) return false;
        const Session* session = c_.io.sessions().FindKept(member.first);
        return session != nullptr && IsFor(*session, *message);
      });
  if (!is_for_any) return;
  const bool all_away = std::all_of(
      group.members.begin(), group.members.end(),
      [&](const auto& member) { return c_.io.sessions().Find(member.first) == nullptr; });
  const bool outlives =
      std::any_of(group.members.begin(), group.members.end(), [&](const auto& member) {
        const Session* session = c_.io.sessions().FindKept(member.first);
        return session != nullptr && session->kept() != nullptr;
      });
  SharedClaim claim{group.id, from, message, outlives};
  if (!all_away) return claims_.Make(std::move(claim));
  c_.reactor.After(kAwayClaimMs,
                   [this, claim = std::move(claim)]() mutable { claims_.Make(std::move(claim)); });
}

void PubSub::OnOurs(const SharedClaim& claim) {
  const auto found = groups_.find(*claim.group);
  if (found == groups_.end() || !DeliverToOne(*found->second, claim)) PassOn(claim);
}

// Its members here are gone, and the other pods have left the message to this one.
void PubSub::PassOn(const SharedClaim& claim) {
  if (claim.message->qos() == 0) return claims_.Done(claim);
  claims_.IfStillOurs(claim, [this](const SharedClaim& ours) { PutBack(ours); });
}

void PubSub::PutBack(const SharedClaim& claim) {
  if (!Republish(*claim.group, *claim.message)) return claims_.Done(claim);
  // Answered when that is in the stream.
  c_.bus.Follow(claim.from.partition, [this, claim](const absl::StatusOr<StreamPos>& tail) {
    if (tail.ok()) claims_.Done(claim);
  });
}

bool PubSub::Republish(const std::string& group, const BusMessage& message) {
  c_.probe.Refuse("shared_member_left");
  const bool is_full = c_.bus.Full();
  log::Refusal("shared_message_passed_on",
               {{"group", group},
                {"topic", message.topic()},
                {"reason", "the member here that was to have it has left"},
                {"next", is_full ? "dropped: the bus is full" : "another member has it"}});
  if (is_full) return false;
  BusMessage again = message;
  again.set_only_group(group);
  c_.bus.Publish(again, {});
  return true;
}

bool PubSub::SharesAny(const Session& session) {
  if (!session.cold || !session.cold->subscriber) return false;
  const auto& filters = session.cold->subscriber->filters;
  return std::any_of(filters.begin(), filters.end(),
                     [](const auto& filter) { return filter->group != nullptr; });
}

void PubSub::LeaveToOthers(const Session& session) {
  if (!session.cold) return;
  session.cold->outbound.VisitForOthers([this](const OutMessage& out) {
    if (std::exchange(out.shared->is_over, true)) return;
    static_cast<void>(Republish(out.shared->group, *out.message));
  });
}

void PubSub::LeaveToOthers(const SessionStore::Queued& queued) {
  internal::v1::KeptMessage kept;
  if (!kept.ParseFromArray(queued.bytes.data(), static_cast<int>(queued.bytes.size()))) return;
  const bool was_sent = queued.was_sent || kept.again();
  const bool is_taken = was_sent && kept.qos() == static_cast<uint32_t>(Qos::kExactlyOnce);
  if (!kept.group().empty() && !is_taken) {
    static_cast<void>(Republish(kept.group(), kept.message()));
  }
}

void PubSub::LeaveToOthers(const KeptRecord& record, uint64_t sent) {
  for (const auto& [number, bytes] : record.queue) LeaveToOthers({bytes, number <= sent});
}

// A session that is another's by now does not have the message, unless its client has it.
void PubSub::OnKept(const SharedClaim& claim, SharedDelivery& delivery, SessionStore::Written how) {
  const bool is_lost = how == SessionStore::Written::kNotOurs && !delivery.is_over;
  if (!is_lost) return claims_.Done(claim);
  delivery.is_over = true;
  PassOn(claim);
}

// In turn, to those that are there; to one that is away only where none is.
bool PubSub::DeliverToOne(SharedGroup& group, const SharedClaim& claim) {
  const SharedMessage& message = claim.message;
  Session* session = nullptr;
  const BusFilter* filter = nullptr;
  for (size_t i = 0; i < group.members.size(); ++i) {
    const auto& [handle, its_filter] = group.members[group.next++ % group.members.size()];
    Session* member = c_.io.sessions().FindKept(handle);
    if (member == nullptr || !IsFor(*member, *message)) continue;
    if (its_filter->IsBehind(claim.from.partition, claim.from.place.pos)) continue;
    if (session != nullptr && member->is_away()) continue;
    session = member;
    filter = its_filter;
    if (member->is_open()) break;
  }
  if (session == nullptr) return false;
  OutMessage out;
  out.qos = std::min(filter->qos, static_cast<Qos>(message->qos()));
  out.retain = filter->retain_as_published && message->retain();
  if (filter->id) out.subscription_ids.push_back(*filter->id);
  out.message = message;
  out.again = claim.from.again;
  out.shared = std::make_shared<SharedDelivery>();
  out.shared->group = *claim.group;
  const bool is_kept = session->kept() != nullptr && out.qos != Qos::kAtMostOnce;
  Delivery::OnKept on_kept;
  if (is_kept) {
    on_kept = [this, claim, shared = out.shared](SessionStore::Written how) {
      OnKept(claim, *shared, how);
    };
  }
  const DeliveryResult result =
      delivery_.Send(*session, std::move(out), nullptr, std::move(on_kept));
  if (!is_kept || result != DeliveryResult::kSent) claims_.Done(claim);
  return true;
}

}  // namespace homeport::gateway
