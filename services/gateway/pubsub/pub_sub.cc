#include "services/gateway/pubsub/pub_sub.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/mqtt/topic.h"
#include "libs/routing/keys.h"
#include "services/gateway/flow/things.h"
#include "services/gateway/inspect/lifecycle_event.h"
#include "services/gateway/inspect/session_view.h"
#include "services/gateway/stream/stream_pos.h"

namespace homeport::gateway {
namespace {

using mqtt::Qos;
using mqtt::ReasonCode;

constexpr std::string_view kScanCount = "500";
constexpr size_t kScansMax = 16;  // of retained messages under way; others wait for their turn
constexpr int64_t kRetainedPauseMs = 1000;  // after Redis did not answer
// While a session waits for its places in the streams: messages, and their bytes.
constexpr size_t kHeldMax = 10'000;
constexpr size_t kHeldBytesMax = 4 << 20;

// The full filter, as the client said it, of one that is kept.
bool IsSame(const BusFilter& kept, std::string_view filter, std::string_view group) {
  return kept.filter == filter &&
         (kept.group == nullptr ? group.empty() : kept.group->name == group);
}

// Whether the session's client has published it.
bool IsOf(const Session& session, const BusMessage& message) {
  return message.client() == session.identity->client &&
         message.device() == session.identity->device;
}

struct NamedFilter {
  std::string_view group;
  std::string_view filter;
};

NamedFilter Split(std::string_view filter) {
  const auto shared = mqtt::ParseSharedFilter(filter);
  return shared ? NamedFilter{shared->group, shared->filter} : NamedFilter{{}, filter};
}

// A pattern of Redis's that all topics of the filter match, and few others.
std::string PatternOf(std::string_view filter) {
  const bool with_parent = filter.ends_with("/#");  // [MQTT-4.7.1-2]
  if (with_parent) filter.remove_suffix(2);
  std::string pattern;
  for (const char c : filter) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
    pattern += c == '+' || c == '#' ? '*' : c;
  }
  if (with_parent) pattern += '*';
  return pattern;
}

}  // namespace

// One subscription on its way: shared by the callbacks of Redis that it waits for.
struct PubSub::Settling {
  SessionHandle session;
  std::string group;
  std::string filter;
  Qos qos = Qos::kAtMostOnce;
  bool retained = false;
  bool fresh = false;  // there was no such subscription
  uint32_t first_partition = 0;
  uint32_t partitions = 1;
  uint32_t answers = 0;
  bool failed = false;
  std::vector<StreamPos> since;
  std::vector<StreamPos> live;  // what is behind these comes with the streams, retained or not
  absl::flat_hash_set<uint64_t> found;  // hashes of topics: a scan may come to one again
  OnSettled on_settled;
};

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
  ++subscriber.unsettled;
  if (!fresh) {
    settling->since = kept.since;
    for (uint32_t i = 0; i < settling->partitions; ++i) {
      settling->live.push_back(c_.bus.position(settling->first_partition + i));
    }
    return Settle(std::move(settling), static_cast<ReasonCode>(subscription.qos));
  }
  settling->since.resize(settling->partitions);
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
                    if (tail.ok()) settling->since[i] = *tail;
                    settling->failed |= !tail.ok();
                    if (++settling->answers < settling->partitions) return;
                    const auto granted = static_cast<ReasonCode>(settling->qos);
                    Settle(settling, settling->failed ? ReasonCode::kUnspecifiedError : granted);
                  });
  }
}

void PubSub::SendRetained(std::shared_ptr<Settling> settling) {
  if (!settling->retained) return Release(*settling);
  settling->answers = 0;
  if (mqtt::HasWildcard(settling->filter)) {
    for (uint32_t i = 0; i < settling->partitions; ++i) {
      scans_.push_back({settling, settling->first_partition + i, "0"});
    }
    return ScanRetained();
  }
  const std::string key = routing::RetainedKey(settling->first_partition);
  redis_.Send({"HGET", key, settling->filter}, [this, settling](const redis::Reply& reply) {
    if (!reply.ok()) return SendRetainedLater(settling);
    if (!reply.is_nil()) OnRetained(*settling, reply.text());
    Release(*settling);
  });
}

// The subscription has been granted with them: the client waits for Redis, too.
void PubSub::SendRetainedLater(const std::shared_ptr<Settling>& settling) {
  settling->failed = false;
  c_.probe.Refuse("retained_unread");
  log::Refusal(
      "retained_unread",
      {{"filter", settling->filter}, {"reason", "Redis did not answer"}, {"next", "again in 1 s"}});
  c_.reactor.After(kRetainedPauseMs, [this, settling] {
    Session* session = nullptr;
    if (FilterOf(*settling, &session) == nullptr) return Release(*settling);
    SendRetained(settling);
  });
}

// A step of each that waits, in turn. Those of sessions that have ended are forgotten.
void PubSub::ScanRetained() {
  while (scans_under_way_ < kScansMax && !scans_.empty()) {
    Scan scan = std::move(scans_.front());
    scans_.pop_front();
    if (c_.io.sessions().FindKept(scan.settling->session) == nullptr) continue;
    ++scans_under_way_;
    const std::string key = routing::RetainedKey(scan.partition);
    const std::string cursor = scan.cursor;
    const std::string pattern = PatternOf(scan.settling->filter);
    redis_.Send({"HSCAN", key, cursor, "MATCH", pattern, "COUNT", kScanCount},
                [this, scan = std::move(scan)](const redis::Reply& reply) mutable {
                  --scans_under_way_;
                  OnScanned(std::move(scan), reply);
                  ScanRetained();
                });
  }
}

void PubSub::OnScanned(Scan scan, const redis::Reply& reply) {
  const std::shared_ptr<Settling> settling = scan.settling;
  Session* session = nullptr;
  settling->failed |= !reply.ok();
  if (FilterOf(*settling, &session) != nullptr && reply.ok() && reply.size() == 2) {
    const redis::Reply found = reply[1];
    for (size_t i = 0; i + 1 < found.size(); i += 2) {
      const std::string_view topic = found[i].text();
      if (!mqtt::Matches(settling->filter, topic)) continue;
      if (settling->found.insert(Hash64(topic)).second) {
        OnRetained(*settling, found[i + 1].text());
      }
    }
    scan.cursor = std::string(reply[0].text());
    if (scan.cursor != "0") return scans_.push_back(std::move(scan));
  }
  if (++settling->answers < settling->partitions) return;
  if (settling->failed) return SendRetainedLater(settling);
  Release(*settling);
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

// Where it is still the topic's retained message.
void PubSub::ForgetRetained(std::string_view topic, std::string_view bytes) {
  static const redis::Script script(R"lua(
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('DECRBY', KEYS[2], #ARGV[1] + #ARGV[2])
end
)lua");
  const uint32_t partition = c_.bus.PartitionOf(topic);
  redis_.Eval(script,
              {"2", routing::RetainedKey(partition), routing::RetainedBytesKey(partition),
               std::string(topic), std::string(bytes)},
              [](const redis::Reply&) {});
}

void PubSub::OnRetained(const Settling& settling, std::string_view bytes) {
  Session* session = nullptr;
  const BusFilter* filter = FilterOf(settling, &session);
  const RetainedValue value = ParseRetained(bytes);
  auto message = std::make_shared<BusMessage>();
  if (filter == nullptr ||
      !message->ParseFromArray(value.message.data(), static_cast<int>(value.message.size()))) {
    return;
  }
  if (message->has_expiry_s() &&
      message->received_ms() + int64_t{message->expiry_s()} * 1000 <= c_.reactor.wall().value) {
    return ForgetRetained(message->topic(), bytes);  // section 3.3.1.3
  }
  if (filter->no_local && IsOf(*session, *message)) return;  // [MQTT-3.8.3-3]
  // Published after SUBSCRIBE: it comes with the stream.
  const size_t at = c_.bus.PartitionOf(message->topic()) - settling.first_partition;
  if (at < settling.live.size() && value.place > settling.live[at]) return;
  OutMessage out;
  out.qos = static_cast<Qos>(std::min(static_cast<uint32_t>(filter->qos), message->qos()));
  if (filter->id) out.subscription_ids.push_back(*filter->id);
  out.retain = true;  // [MQTT-3.3.1-8]
  out.message = std::move(message);
  static_cast<void>(delivery_.Send(*session, std::move(out), nullptr));
}

void PubSub::Settle(std::shared_ptr<Settling> settling, ReasonCode reason) {
  Session* session = nullptr;
  BusFilter* filter = FilterOf(*settling, &session);
  if (session == nullptr) return;
  if (filter != nullptr && mqtt::IsFailure(reason)) Remove(*session, *filter);
  if (filter != nullptr && !mqtt::IsFailure(reason)) {
    filter->first_partition = settling->first_partition;
    filter->since = settling->since;
  }
  if (settling->fresh) settling->live = settling->since;
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
  if (std::exchange(there->cold->subscriber->holds_back, false)) return c_.io.Resume(*there);
  FreeIfDone(*there);
  there->TrimCold();
}

void PubSub::FreeIfDone(Session& session) {
  const Subscriber& subscriber = *session.cold->subscriber;
  if (!subscriber.filters.empty() || subscriber.unsettled > 0) return;
  session.cold->subscriber.reset();
}

bool PubSub::HoldBack(Session& session) {
  if (!session.cold || !session.cold->subscriber) return false;
  Subscriber& subscriber = *session.cold->subscriber;
  subscriber.holds_back = subscriber.unsettled > 0;
  return subscriber.holds_back;
}

void PubSub::ReleaseHeld(Session& session) {
  const SessionHandle handle = session.handle();
  session.cold->subscriber->held_bytes = 0;
  for (const Subscriber::Held& item : std::exchange(session.cold->subscriber->held, {})) {
    Session* there = c_.io.sessions().FindKept(handle);
    if (there == nullptr) return;
    DeliverTo(*there, {item.partition, item.place}, item.message);
  }
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
  OutMessage out;
  bool matches = false;
  for (const auto& filter : subscriber.filters) {
    if (filter->group != nullptr || !mqtt::Matches(filter->filter, message->topic())) continue;
    if (filter->IsBehind(from.partition, from.place.pos)) continue;
    if (message->answer() && Things::NamesOne(filter->filter)) continue;  // it comes by itself
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
