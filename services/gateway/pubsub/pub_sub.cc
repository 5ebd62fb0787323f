#include "services/gateway/pubsub/pub_sub.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/mqtt/topic.h"
#include "services/gateway/flow/things.h"
#include "services/gateway/inspect/lifecycle_event.h"
#include "services/gateway/inspect/session_view.h"
#include "services/gateway/pubsub/settling.h"
#include "services/gateway/stream/stream_pos.h"

namespace homeport::gateway {
namespace {

using mqtt::Qos;
using mqtt::ReasonCode;

constexpr int64_t kApproachMsMax = 1000;  // that what was published before may take to come

// The full filter, as the client said it, of one that is kept.
bool IsSame(const BusFilter& kept, std::string_view filter, std::string_view group) {
  return kept.filter == filter &&
         (kept.group == nullptr ? group.empty() : kept.group->name == group);
}

struct NamedFilter {
  std::string_view group;
  std::string_view filter;
};

NamedFilter Split(std::string_view filter) {
  const auto shared = mqtt::ParseSharedFilter(filter);
  return shared ? NamedFilter{shared->group, shared->filter} : NamedFilter{{}, filter};
}

}  // namespace

void PubSub::Subscribe(Session& session, const mqtt::Subscription& subscription,
                       std::optional<uint32_t> id, OnSettled on_settled) {
  const auto [group, filter] = Split(subscription.filter);
  BusFilter* same = Find(session, filter, group);
  const bool fresh = same == nullptr;
  if (fresh && session.filter_count() >= c_.config.subscriptions_max) {
    return on_settled(ReasonCode::kQuotaExceeded, [] {});
  }
  if (!session.Cold().subscriber) session.cold->subscriber = std::make_unique<Subscriber>();
  Subscriber& subscriber = *session.cold->subscriber;
  BusFilter& kept = fresh ? *subscriber.filters.emplace_back(std::make_unique<BusFilter>()) : *same;
  kept.qos = subscription.qos;
  kept.no_local = subscription.no_local;
  kept.retain_as_published = subscription.retain_as_published;
  kept.id = id;
  if (fresh) {
    kept.filter = filter;
    Add(session, kept, group);
  }
  auto settling = std::make_shared<Settling>();
  settling->session = session.handle();
  settling->group = group;
  settling->filter = filter;
  settling->qos = subscription.qos;
  settling->on_settled = std::move(on_settled);
  // No retained messages for shared subscriptions (section 4.8.2).
  settling->retained =
      group.empty() &&
      (subscription.retain_handling == mqtt::RetainHandling::kSend ||
       (subscription.retain_handling == mqtt::RetainHandling::kSendIfNew && fresh));
  settling->fresh = fresh;
  const PartitionRange range = PartitionsOf(filter);
  settling->first_partition = range.first;
  settling->partitions = range.count;
  ++(fresh || !settling->retained ? subscriber.unsettled : subscriber.approaching);
  if (!fresh && !settling->retained) {
    return Settle(std::move(settling), static_cast<ReasonCode>(subscription.qos));
  }
  settling->live.resize(settling->partitions);
  AskPlaces(std::move(settling));
}

PubSub::PartitionRange PubSub::PartitionsOf(std::string_view filter) const {
  const bool any = filter.substr(0, 1) == "+" || filter.substr(0, 1) == "#";
  return any ? PartitionRange{0, c_.bus.partitions()}
             : PartitionRange{c_.bus.PartitionOf(filter), 1};
}

void PubSub::AskPlaces(std::shared_ptr<Settling> settling) {
  for (uint32_t i = 0; i < settling->partitions; ++i) {
    c_.bus.Follow(settling->first_partition + i,
                  [this, settling, i](absl::StatusOr<StreamPos> tail) mutable {
                    if (tail.ok()) settling->live[i] = *tail;
                    settling->failed |= !tail.ok();
                    if (++settling->answers < settling->partitions) return;
                    settling->fresh ? Placed(settling) : Approach(settling);
                  });
  }
}

void PubSub::Placed(std::shared_ptr<Settling> settling) {
  const auto granted = static_cast<ReasonCode>(settling->qos);
  const ReasonCode reason = settling->failed ? ReasonCode::kUnspecifiedError : granted;
  Settle(std::move(settling), reason);
}

// What was published before the client asked again goes to it first, in order; what is retained
// comes behind it. A bus that is slow is not waited for: then some of it may come behind.
void PubSub::Approach(std::shared_ptr<Settling> settling) {
  settling->open = settling->partitions;
  for (uint32_t i = 0; i < settling->partitions; ++i) {
    const StreamPos tail = settling->failed ? StreamPos() : settling->live[i];
    c_.bus.AfterRead(settling->first_partition + i, tail, [this, settling] {
      if (--settling->open == 0) Approached(settling);
    });
  }
  if (!settling->is_placed) {
    c_.reactor.After(kApproachMsMax, [this, settling] {
      if (settling->is_placed) return;
      c_.probe.Refuse("bus_not_read_in_time");
      log::Refusal("subscription_does_not_wait",
                   {{"filter", settling->filter},
                    {"reason", "the bus was not read up to its end within 1 s"},
                    {"next", "what is retained may come before what was published earlier"}});
      Approached(settling);
    });
  }
}

void PubSub::Approached(const std::shared_ptr<Settling>& settling) {
  if (std::exchange(settling->is_placed, true)) return;
  const Session* session = c_.io.sessions().FindKept(settling->session);
  if (session == nullptr || !session->cold || !session->cold->subscriber) return;
  for (uint32_t i = 0; i < settling->partitions; ++i) {
    settling->live[i] = c_.bus.position(settling->first_partition + i);
  }
  --session->cold->subscriber->approaching;
  ++session->cold->subscriber->unsettled;
  Placed(settling);
}

BusFilter* PubSub::FilterOf(const Settling& settling, Session** session) {
  *session = c_.io.sessions().FindKept(settling.session);
  return *session == nullptr ? nullptr : Find(**session, settling.filter, settling.group);
}

BusFilter* PubSub::Find(const Session& session, std::string_view filter, std::string_view group) {
  if (!session.cold || !session.cold->subscriber) return nullptr;
  for (const auto& kept : session.cold->subscriber->filters) {
    if (IsSame(*kept, filter, group)) return kept.get();
  }
  return nullptr;
}

void PubSub::Settle(std::shared_ptr<Settling> settling, ReasonCode reason) {
  Session* session = nullptr;
  BusFilter* filter = FilterOf(*settling, &session);
  if (session == nullptr) return;
  // What was there before a SUBSCRIBE that failed stays, from where it began.
  if (filter != nullptr && settling->fresh && mqtt::IsFailure(reason)) Remove(*session, *filter);
  if (filter != nullptr && settling->fresh && !mqtt::IsFailure(reason)) {
    filter->first_partition = settling->first_partition;
    filter->since = settling->live;
  }
  settling->retained = settling->retained && !mqtt::IsFailure(reason);
  // What is told holds `settling`, which must then hold nothing of it: they would never be freed.
  OnSettled on_settled = std::move(settling->on_settled);
  on_settled(reason, [this, settling] { SendRetained(settling); });
}

void PubSub::Release(const Settling& settling) {
  Session* session = c_.io.sessions().FindKept(settling.session);
  if (session == nullptr || !session->cold || !session->cold->subscriber) return;
  OneSettled(*session);
}

// What was read meanwhile goes out, in order, once no subscription is unsettled.
void PubSub::OneSettled(Session& session) {
  if (--session.cold->subscriber->unsettled > 0) return;
  const SessionHandle handle = session.handle();
  ReleaseHeld(session);
  Session* there = c_.io.sessions().Find(handle);
  if (there == nullptr || !there->cold || !there->cold->subscriber) return;
  if (there->cold->subscriber->approaching > 0) return;
  if (std::exchange(there->cold->subscriber->holds_back, false)) return c_.io.Resume(*there);
  FreeIfDone(*there);
  there->TrimCold();
}

void PubSub::FreeIfDone(Session& session) {
  const Subscriber& subscriber = *session.cold->subscriber;
  if (!subscriber.filters.empty() || subscriber.unsettled + subscriber.approaching > 0) return;
  ForgetHeld(*session.cold->subscriber);
  session.cold->subscriber.reset();
}

bool PubSub::HoldBack(Session& session) {
  if (!session.cold || !session.cold->subscriber) return false;
  Subscriber& subscriber = *session.cold->subscriber;
  subscriber.holds_back = subscriber.unsettled + subscriber.approaching > 0;
  return subscriber.holds_back;
}

// Sending may end the session: its heir, if it has one, goes on from there.
void PubSub::ReleaseHeld(Session& session) {
  const SessionHandle handle = session.handle();
  for (;;) {
    Session* there = c_.io.sessions().FindKept(handle);
    if (there == nullptr || !there->cold || !there->cold->subscriber) return;
    Subscriber& subscriber = *there->cold->subscriber;
    if (subscriber.released == subscriber.held.size()) return ForgetHeld(subscriber);
    const Subscriber::Held item = std::move(subscriber.held[subscriber.released++]);
    DeliverNow(*there, {item.partition, item.place}, item.message);
  }
}

void PubSub::ForgetHeld(Subscriber& subscriber) {
  if (std::exchange(subscriber.is_counted, false)) --holding_;
  subscriber.held = {};
  subscriber.held_bytes = 0;
  subscriber.released = 0;
}

bool PubSub::Unsubscribe(Session& session, std::string_view filter) {
  const NamedFilter named = Split(filter);
  BusFilter* kept = Find(session, named.filter, named.group);
  if (kept == nullptr) return false;
  Remove(session, *kept);
  FreeIfDone(session);
  return true;
}

void PubSub::Forget(Session& session) {
  if (!session.cold || !session.cold->subscriber) return;
  while (!session.cold->subscriber->filters.empty()) {
    Remove(session, *session.cold->subscriber->filters.back());
  }
  ForgetHeld(*session.cold->subscriber);
  session.cold->subscriber.reset();
}

void PubSub::Add(Session& session, BusFilter& filter, std::string_view group) {
  if (MatchesEvents(filter.filter)) ++event_filters_;
  if (group.empty()) return sessions_.Add(filter.filter, session.handle().packed());
  std::unique_ptr<SharedGroup>& shared = groups_[fmt::format("{}/{}", group, filter.filter)];
  if (!shared) {
    shared = std::make_unique<SharedGroup>();
    shared->name = group;
    shared->filter = filter.filter;
    shared->id = std::make_shared<const std::string>(fmt::format("{}/{}", group, filter.filter));
    shared_.Add(filter.filter, shared.get());
  }
  shared->members.emplace_back(session.handle(), &filter);
  filter.group = shared.get();
}

void PubSub::Remove(Session& session, BusFilter& filter) {
  if (MatchesEvents(filter.filter)) --event_filters_;
  if (filter.group == nullptr) {
    sessions_.Remove(filter.filter, session.handle().packed());
  } else {
    SharedGroup& group = *filter.group;
    std::erase_if(group.members, [&](const auto& member) { return member.second == &filter; });
    if (group.members.empty()) {
      shared_.Remove(group.filter, &group);
      const std::shared_ptr<const std::string> id = group.id;
      groups_.erase(*id);
    }
  }
  std::erase_if(session.cold->subscriber->filters,
                [&](const auto& kept) { return kept.get() == &filter; });
}

bool PubSub::HasSubscriber(std::string_view topic) const {
  bool found = false;
  sessions_.Match(topic, [&found](uint64_t) { found = true; });
  shared_.Match(topic, [&found](const SharedGroup*) { found = true; });
  return found;
}

void PubSub::OnMessage(uint32_t partition, const BusPlace& place, const SharedMessage& message) {
  const Delivery::Origin from{partition, place};
  if (!message->only_group().empty()) {
    const auto group = groups_.find(message->only_group());
    if (group != groups_.end()) OnShared(*group->second, from, message);
    return;
  }
  const uint64_t visit = ++visit_;
  std::vector<SessionHandle> sessions;
  sessions_.Match(message->topic(), [&](uint64_t packed) {
    Session* session = c_.io.sessions().FindKept(SessionHandle::FromPacked(packed));
    if (session == nullptr || !session->cold || !session->cold->subscriber) return;
    if (std::exchange(session->cold->subscriber->last_visit, visit) == visit) return;
    sessions.push_back(session->handle());
  });
  for (const SessionHandle handle : sessions) {
    c_.io.Cork();
    if (Session* session = c_.io.sessions().FindKept(handle)) DeliverTo(*session, from, message);
  }
  std::vector<SharedGroup*> groups;
  shared_.Match(message->topic(), [&](SharedGroup* group) { groups.push_back(group); });
  for (SharedGroup* group : groups) OnShared(*group, from, message);
}

void PubSub::DeliverTo(Session& session, const Delivery::Origin& from,
                       const SharedMessage& message) {
  Subscriber& subscriber = *session.cold->subscriber;
  if (subscriber.unsettled > 0) {
    return Hold(session, from, message);
  }
  DeliverNow(session, from, message);
}

void PubSub::Hold(Session& session, const Delivery::Origin& from, const SharedMessage& message) {
  Subscriber& subscriber = *session.cold->subscriber;
  const size_t bytes = message->topic().size() + message->payload().size();
  const bool has_room =
      subscriber.held.size() < kHeldMax && subscriber.held_bytes + bytes <= kHeldBytesMax;
  if (has_room || subscriber.held.empty()) {
    const bool counts = session.kept() != nullptr;
    if (counts && !std::exchange(subscriber.is_counted, true)) ++holding_;
    subscriber.held_bytes += bytes;
    subscriber.held.push_back({from.partition, from.place, message});
    return;
  }
  c_.probe.Refuse("held_messages");
  log::Refusal("subscription_too_slow",
               {{"client", session.identity->client}, {"reason", "Redis answers too slowly"}});
  if (session.is_open()) {
    c_.io.Close(session, {"SERVER_ERROR", ReasonCode::kServerBusy, "held_messages"});
  }
}

bool PubSub::IsOf(const Session& session, const BusMessage& message) {
  return message.client() == session.identity->client &&
         message.device() == session.identity->device;
}

bool PubSub::IsFor(const Session& session, const BusMessage& message) const {
  return message.tenant().empty() || c_.config.anonymous ||
         message.tenant() == TenantOf(*session.identity);
}

void PubSub::DeliverNow(Session& session, const Delivery::Origin& from,
                        const SharedMessage& message) {
  if (!IsFor(session, *message) || !message->only_group().empty()) return;
  const Subscriber& subscriber = *session.cold->subscriber;
  for (const auto& [partition, place] : subscriber.had) {
    if (partition == from.partition && from.place <= place) return;
  }
  const bool comes_by_itself = session.is_open() && !from.replayed && message->answer();
  if (comes_by_itself && Things::IsOneOf(session, message->topic())) return;
  OutMessage out;
  bool matches = false;
  for (const auto& filter : subscriber.filters) {
    if (filter->group != nullptr || !mqtt::Matches(filter->filter, message->topic())) continue;
    if (filter->IsBehind(from.partition, from.place.pos)) continue;
    if (message->answer() && Things::NamesOne(filter->filter)) continue;
    if (filter->no_local && IsOf(session, *message)) {
      continue;  // [MQTT-3.8.3-3]
    }
    matches = true;
    out.qos = std::max(out.qos, filter->qos);
    out.retain |= filter->retain_as_published && message->retain();
    if (filter->id) out.subscription_ids.push_back(*filter->id);
  }
  if (!matches) return;
  out.qos = std::min(out.qos, static_cast<Qos>(message->qos()));
  // Where its former connection came to is known to a second: it may have been sent there.
  if (from.replayed && out.qos == Qos::kAtMostOnce) return;
  out.message = message;
  Delivery::Origin origin = from;
  origin.again |= subscriber.former_until_ms > c_.reactor.now().value;
  static_cast<void>(delivery_.Send(session, std::move(out), &origin));
}

}  // namespace homeport::gateway
