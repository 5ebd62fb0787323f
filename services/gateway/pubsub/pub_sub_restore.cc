// The part of PubSub for sessions that move: to another slot of this shard when their client goes
// away, or here from another pod.

#include <algorithm>
#include <limits>
#include <set>

#include "libs/base/log.h"
#include "libs/mqtt/topic.h"
#include "services/gateway/pubsub/pub_sub.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kCatchUpPauseMs = 1000;
constexpr int64_t kSilentLeases = 2;
// What is younger has its claim still, if any pod has made one (SharedClaims; less what clocks
// differ).
constexpr int64_t kSharedReplayMs = 50'000;
// What a pod has read of the bus and not come to claim when it ended.
constexpr uint64_t kUnclaimedMs = 5'000;
constexpr uint32_t kWholeEntry = std::numeric_limits<uint32_t>::max();

// The last position before `pos`: Replay begins behind what it is given.
StreamPos Before(StreamPos pos) {
  if (pos.seq > 0) return {pos.ms, pos.seq - 1};
  if (pos.ms > 0) return {pos.ms - 1, std::numeric_limits<uint64_t>::max()};
  return pos;
}

void Advance(std::vector<std::pair<uint32_t, BusPlace>>& had, uint32_t partition, BusPlace place) {
  for (auto& [known, at] : had) {
    if (known != partition) continue;
    at = std::max(at, place);
    return;
  }
  had.emplace_back(partition, place);
}

}  // namespace

void PubSub::Save(const Session& session, internal::v1::KeptFilters& filters) {
  if (!session.cold || !session.cold->subscriber) return;
  for (const auto& kept : session.cold->subscriber->filters) {
    if (kept->since.empty()) continue;  // not acknowledged yet
    internal::v1::KeptFilter& out = *filters.add_filters();
    out.set_filter(kept->group == nullptr
                       ? kept->filter
                       : fmt::format("$share/{}/{}", kept->group->name, kept->filter));
    out.set_qos(static_cast<uint32_t>(kept->qos));
    out.set_no_local(kept->no_local);
    out.set_retain_as_published(kept->retain_as_published);
    if (kept->id) out.set_id(*kept->id);
    for (const StreamPos& pos : kept->since) {
      out.add_since(pos.ms);
      out.add_since(pos.seq);
    }
  }
}

void PubSub::Move(Session& session, Session& heir) {
  if (!session.cold || !session.cold->subscriber) return;
  auto& filters = session.cold->subscriber->filters;
  for (size_t i = 0; i < filters.size();) {
    if (filters[i]->since.empty()) {
      Remove(session, *filters[i]);
    } else {
      ++i;
    }
  }
  for (const auto& filter : filters) {
    if (filter->group == nullptr) {
      sessions_.Remove(filter->filter, session.handle().packed());
      sessions_.Add(filter->filter, heir.handle().packed());
      continue;
    }
    for (auto& [handle, its_filter] : filter->group->members) {
      if (its_filter == filter.get()) handle = heir.handle();
    }
  }
  if (heir.kept()->is_level) level_.push_back(heir.handle());
  heir.Cold().subscriber = std::move(session.cold->subscriber);
  Subscriber& subscriber = *heir.cold->subscriber;
  subscriber.unsettled = 0;
  subscriber.approaching = 0;
  subscriber.holds_back = false;
  if (std::exchange(subscriber.catching_up, false)) return StartCatchUp(heir, [](bool) {});
  ReleaseHeld(heir);
}

void PubSub::Restore(Session& session, const internal::v1::KeptFilters& filters,
                     std::vector<std::pair<uint32_t, BusPlace>> had, Missed missed,
                     OnRestored on_restored) {
  if (!session.Cold().subscriber) session.cold->subscriber = std::make_unique<Subscriber>();
  Subscriber& subscriber = *session.cold->subscriber;
  subscriber.had = std::move(had);
  subscriber.missed = missed;
  for (const internal::v1::KeptFilter& stored : filters.filters()) {
    const auto shared = mqtt::ParseSharedFilter(stored.filter());
    auto kept = std::make_unique<BusFilter>();
    kept->filter = shared ? std::string(shared->filter) : stored.filter();
    kept->qos = static_cast<mqtt::Qos>(std::min(stored.qos(), 2u));
    kept->no_local = stored.no_local();
    kept->retain_as_published = stored.retain_as_published();
    if (stored.has_id()) kept->id = stored.id();
    const PartitionRange range = PartitionsOf(kept->filter);
    kept->first_partition = range.first;
    kept->since.resize(range.count);
    for (int i = 0; i + 1 < stored.since_size() && i / 2 < static_cast<int>(range.count); i += 2) {
      kept->since[static_cast<size_t>(i / 2)] = {stored.since(i), stored.since(i + 1)};
    }
    subscriber.filters.push_back(std::move(kept));
    Add(session, *subscriber.filters.back(), shared ? shared->group : std::string_view());
  }
  StartCatchUp(session, std::move(on_restored));
}

// A session's way to the present, over the partitions that its filters can match.
struct PubSub::Restoring {
  SessionHandle session;
  std::set<uint32_t> partitions;
  size_t open = 0;
  bool failed = false;
  OnRestored on_restored;
};

void PubSub::StartCatchUp(Session& session, OnRestored on_restored) {
  Subscriber& subscriber = *session.cold->subscriber;
  if (!std::exchange(subscriber.catching_up, true)) ++subscriber.unsettled;
  auto restoring = std::make_shared<Restoring>();  // shared by the answers of Redis
  restoring->session = session.handle();
  restoring->on_restored = std::move(on_restored);
  for (const auto& filter : subscriber.filters) {
    for (uint32_t i = 0; i < filter->since.size(); ++i) {
      restoring->partitions.insert(filter->first_partition + i);
    }
  }
  ++catching_up_;
  const bool waits = subscriber.missed == Missed::kStillSent && !restoring->partitions.empty();
  if (waits) return AwaitFormer(session, std::move(restoring));
  FollowAll(std::move(restoring));
}

// What the former connection gets until it ends is behind no end of a partition that is asked for
// afterwards, so that all of it goes with DUP. A session whose client is away need not wait.
void PubSub::AwaitFormer(Session& session, std::shared_ptr<Restoring> restoring) {
  const SessionHandle handle = session.handle();
  awaiting_former_[handle.packed()] = std::move(restoring);
  if (session.is_away()) return OnFormerSilent(handle);
  c_.reactor.After(c_.config.former_end_ms_max, [this, handle] {
    if (!awaiting_former_.contains(handle.packed())) return;
    const Session* there = c_.io.sessions().FindKept(handle);
    c_.probe.Refuse("former_end_ms_max");
    log::Refusal("former_connection_silent",
                 {{"device", there != nullptr ? there->identity->device : std::string()},
                  {"limit", "former_end_ms_max"},
                  {"next", "what comes for a while goes with DUP"}});
    OnFormerSilent(handle);
  });
}

// Its pod is slow, stands still or is dead: by then it knows that the session is not its own.
void PubSub::OnFormerSilent(SessionHandle handle) {
  auto found = awaiting_former_.extract(handle.packed());
  if (Session* session = c_.io.sessions().FindKept(handle); session != nullptr && session->cold) {
    if (Subscriber* subscriber = session->cold->subscriber.get()) {
      subscriber->missed = Missed::kMaybeSent;
      subscriber->former_until_ms = c_.reactor.now().value + kSilentLeases * c_.config.pod_lease_ms;
    }
  }
  FollowAll(std::move(found.mapped()));
}

void PubSub::OnFormerEnded(SessionHandle handle) {
  if (Session* session = c_.io.sessions().FindKept(handle); session != nullptr && session->cold) {
    Subscriber* subscriber = session->cold->subscriber.get();
    if (subscriber != nullptr && subscriber->missed != Missed::kNotSent) {
      subscriber->missed = Missed::kMaybeSent;
      subscriber->former_until_ms = 0;
    }
  }
  auto found = awaiting_former_.extract(handle.packed());
  if (!found.empty()) FollowAll(std::move(found.mapped()));
}

void PubSub::FollowAll(std::shared_ptr<Restoring> restoring) {
  restoring->open = restoring->partitions.size() + 1;
  for (const uint32_t partition : restoring->partitions) {
    c_.bus.Follow(partition, [this, restoring, partition](absl::StatusOr<StreamPos> tail) {
      restoring->failed |= !tail.ok();
      if (!tail.ok()) return EndCatchUp(restoring, partition, {});
      CatchUp(restoring, partition, *tail);
    });
  }
  EndCatchUp(restoring, 0, {});
}

void PubSub::CatchUp(std::shared_ptr<Restoring> restoring, uint32_t partition, StreamPos tail) {
  const Session* session = c_.io.sessions().FindKept(restoring->session);
  if (session == nullptr) return EndCatchUp(restoring, partition, {});
  StreamPos from = tail;
  for (const auto& filter : session->cold->subscriber->filters) {
    const uint32_t at = partition - filter->first_partition;
    if (filter->group == nullptr && at < filter->since.size()) {
      from = std::min(from, filter->since[at]);
    }
  }
  for (const auto& [known, place] : session->cold->subscriber->had) {
    if (known == partition) from = std::max(from, Before(place.pos));
  }
  const StreamPos shared_from = SharedFrom(*session, partition, tail);
  c_.bus.Replay(
      partition, std::min(from, shared_from), tail,
      [this, restoring, from, shared_from](uint32_t its_partition, const BusPlace& place,
                                           const SharedMessage& message) {
        Session* there = c_.io.sessions().FindKept(restoring->session);
        if (there == nullptr || !there->cold || !there->cold->subscriber) return;
        const bool again = there->cold->subscriber->missed != Missed::kNotSent;
        const Delivery::Origin origin{its_partition, place, again, true};
        if (place.pos > shared_from) ReplayShared(*there, origin, message);
        if (place.pos > from) DeliverNow(*there, origin, message);
      },
      [this, restoring, partition, tail](bool complete) {
        restoring->failed |= !complete;
        EndCatchUp(restoring, partition, tail);
      });
}

StreamPos PubSub::SharedFrom(const Session& session, uint32_t partition, StreamPos tail) const {
  StreamPos from = tail;
  for (const auto& filter : session.cold->subscriber->filters) {
    const uint32_t at = partition - filter->first_partition;
    if (filter->group != nullptr && at < filter->since.size()) {
      from = std::min(from, filter->since[at]);
    }
  }
  const int64_t oldest_ms = c_.reactor.wall().value - kSharedReplayMs;
  from = std::max(from, {static_cast<uint64_t>(std::max<int64_t>(oldest_ms, 0)), 0});
  for (const auto& [known, place] : session.cold->subscriber->had) {
    const uint64_t ms = place.pos.ms - std::min(place.pos.ms, kUnclaimedMs);
    if (known == partition) from = std::max(from, {ms, 0});
  }
  return std::min(from, tail);
}

// Of a message that no pod has taken for a group, or a dead one, its members here have it now.
void PubSub::ReplayShared(const Session& session, const Delivery::Origin& from,
                          const SharedMessage& message) {
  std::vector<SharedGroup*> groups;
  for (const auto& filter : session.cold->subscriber->filters) {
    if (filter->group == nullptr || !mqtt::Matches(filter->filter, message->topic())) continue;
    const std::string& only = message->only_group();
    if (only.empty() || only == *filter->group->id) groups.push_back(filter->group);
  }
  for (SharedGroup* group : groups) OnShared(*group, from, message);
}

void PubSub::EndCatchUp(const std::shared_ptr<Restoring>& restoring, uint32_t partition,
                        StreamPos tail) {
  Session* session = c_.io.sessions().FindKept(restoring->session);
  const bool is_there = session != nullptr && session->cold && session->cold->subscriber;
  if (is_there && tail != StreamPos()) {
    Advance(session->cold->subscriber->had, partition, {tail, kWholeEntry});
  }
  if (--restoring->open > 0) return;
  --catching_up_;
  if (!is_there) return;
  if (restoring->failed && session->is_away()) return CatchUpLater(*session, restoring);
  if (!restoring->failed) {
    session->cold->subscriber->catching_up = false;
    session->kept()->is_level = true;
    level_.push_back(restoring->session);
    OneSettled(*session);
  }
  restoring->on_restored(!restoring->failed);
}

// Not each by itself, in a storm of them: what is told late costs a longer way at most.
void PubSub::TellLevel() {
  for (const SessionHandle handle : std::exchange(level_, {})) {
    const Session* session = c_.io.sessions().FindKept(handle);
    Kept* kept = session == nullptr ? nullptr : session->kept();
    if (kept == nullptr || !std::exchange(kept->is_level, false)) continue;
    c_.store.Write(*session, {SessionStore::Remove("c")}, {});
  }
}

// Nobody else will: a session whose client is away waits for Redis, one whose client is there ends.
void PubSub::CatchUpLater(const Session& session, const std::shared_ptr<Restoring>& restoring) {
  c_.probe.Refuse("catch_up_failed");
  log::Refusal("catch_up_failed", {{"device", session.identity->device},
                                   {"client", session.identity->client},
                                   {"reason", "Redis did not answer"},
                                   {"next", "again in 1 s"}});
  c_.reactor.After(kCatchUpPauseMs, [this, restoring] {
    Session* there = c_.io.sessions().FindKept(restoring->session);
    if (there == nullptr || !there->cold || !there->cold->subscriber) return;
    StartCatchUp(*there, std::move(restoring->on_restored));
  });
}

}  // namespace homeport::gateway
