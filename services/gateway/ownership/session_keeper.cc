#include "services/gateway/ownership/session_keeper.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kKickMs = 5000;  // that the kick of a newer claim may take
constexpr size_t kPacketIds = 65'535;
constexpr uint32_t kWaitingOfDeviceMax = 8;  // as many clients as it may have connected
constexpr uint32_t kWholeEntry = std::numeric_limits<uint32_t>::max();

internal::v1::KeptFilters FiltersOf(const KeptRecord& record) {
  internal::v1::KeptFilters filters;
  const std::string_view bytes = record.Field("f");
  static_cast<void>(filters.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return filters;
}

// The messages that the client had not acknowledged, and those that wait. Without an orderly end
// nobody but the pod that had it knows what was sent: it may be all of it.
void RestoreQueue(const SessionKeeper::Past& past, Session& session) {
  const KeptRecord& record = past.record;
  Kept& kept = *session.cold->kept;
  const uint64_t sent = past.last_sent.value_or(NumberOf(record.Field("sent")));
  const bool is_known = past.last_sent || !record.Field("off").empty();
  kept.last_number = sent;
  for (const auto& [number, bytes] : record.queue) {
    kept.last_number = std::max(kept.last_number, number);
    Outbound::Entry entry;
    entry.kept = {number, static_cast<uint32_t>(bytes.size())};
    entry.out.again = !is_known || number <= sent;
    if (!bytes.empty()) {
      internal::v1::KeptMessage stored;
      if (!stored.ParseFromString(bytes)) continue;
      entry.out.qos = static_cast<mqtt::Qos>(std::clamp(stored.qos(), 1u, 2u));
      entry.out.retain = stored.retain();
      entry.out.again |= stored.again();
      entry.out.subscription_ids.assign(stored.subscription_ids().begin(),
                                        stored.subscription_ids().end());
      if (!stored.group().empty()) {
        entry.out.shared = std::make_shared<SharedDelivery>();
        entry.out.shared->group = stored.group();
        kept.is_shared = true;
      }
      entry.out.message = std::make_shared<BusMessage>(std::move(*stored.mutable_message()));
    }
    ++kept.queued;
    kept.queued_bytes += bytes.size();
    session.cold->outbound.Restore(std::move(entry));
  }
}

}  // namespace

std::vector<std::pair<uint32_t, BusPlace>> SessionKeeper::HadOf(
    const KeptRecord& record, const std::vector<StreamPos>& places) {
  std::vector<std::pair<uint32_t, BusPlace>> had;
  for (uint32_t i = 0; i < places.size(); ++i) {
    if (places[i] != StreamPos()) had.push_back({i, {places[i], kWholeEntry}});
  }
  for (const auto& [field, value] : record.fields) {
    if (field.size() < 2 || field[0] != 'p') continue;
    const auto partition = static_cast<uint32_t>(NumberOf(std::string_view(field).substr(1)));
    const auto place = ParsePlace(value);
    if (!place) continue;
    const auto known = std::find_if(had.begin(), had.end(),
                                    [&](const auto& entry) { return entry.first == partition; });
    if (known == had.end()) {
      had.emplace_back(partition, *place);
    } else {
      known->second = std::max(known->second, *place);
    }
  }
  return had;
}

void SessionKeeper::Renew(Session& session, uint64_t epoch) {
  if (session.kept() != nullptr) {
    c_.store.Renew(SessionStore::OwnerOf(session), epoch);
    c_.store.List(*session.identity, epoch);
    c_.store.Unlist(*session.identity, session.epoch);
  }
  VerifyWill(session, std::exchange(session.epoch, epoch));
}

bool SessionKeeper::Begin(Session& session, const SessionWish& wish, const Past* past) {
  const bool is_present = past != nullptr && !past->record.fields.empty();
  if (wish.expiry_s > 0 || is_present) {
    session.Cold().kept = std::make_unique<Kept>();
    session.cold->kept->expiry_s = wish.expiry_s;
    c_.store.List(*session.identity, session.epoch);
  }
  if (!is_present) return false;
  session.cold->kept->was_found = true;
  c_.probe.resumed_sessions.Increment();
  // The former connection's end may have told of some by now.
  const bool has_news = session.cold->from_device_qos2.size() > 0;
  RestoreReceived(ParseReceived(past->record.Field("in")), session.cold->from_device_qos2);
  if (has_news) c_.store.Write(session, {SessionStore::Set("in", FormatReceived(session))}, {});
  RestoreQueue(*past, session);
  return true;
}

void SessionKeeper::Resume(Session& session, const Past& past, PubSub::OnRestored on_resumed) {
  const SessionHandle handle = session.handle();
  const internal::v1::KeptFilters others = subscribe_.RestoreOwn(session, FiltersOf(past.record));
  if (c_.io.sessions().Find(handle) == nullptr) return;
  delivery_.Resume(session);
  if (!session.is_open()) return;
  pub_sub_.Restore(session, others, HadOf(past.record, past.places), MissedOf(past),
                   std::move(on_resumed));
}

// Without an orderly end the former pod may have sent more than it had come to store.
Missed SessionKeeper::MissedOf(const Past& past) {
  if (!past.record.Field("off").empty()) return Missed::kNotSent;
  return past.former_is_told ? Missed::kStillSent : Missed::kMaybeSent;
}

Session* SessionKeeper::Reserve(uint32_t sessions_max) {
  Session* slot = c_.io.sessions().Allocate(sessions_max);
  if (slot == nullptr) {
    c_.probe.Refuse("sessions_max");
    log::Refusal(
        "session_not_kept",
        {{"pod", c_.pod.str()}, {"limit", "sessions_max"}, {"next", "its client begins anew"}});
    return nullptr;
  }
  slot->io = &c_.io;
  slot->phase = Phase::kReserved;
  return slot;
}

void SessionKeeper::Unreserve(Session& slot) {
  HP_CHECK(slot.phase == Phase::kReserved);
  c_.io.sessions().Free(slot);
}

Session* SessionKeeper::Orphan(const Identity& identity, SessionHandle handle, uint64_t epoch,
                               uint32_t expiry_s, const Past& past) {
  const SessionStore::Owner owner{identity, handle, epoch};
  Session* heir = expiry_s == 0 ? nullptr : Reserve(c_.config.sessions_max);
  if (heir == nullptr) {
    LeaveQueue(past.record, NumberOf(past.record.Field("sent")));
    c_.store.Drop(owner);
    return nullptr;
  }
  LeaveTo(owner, heir->handle(), expiry_s);

  SessionStore::Adopted adopted;
  adopted.epoch = epoch;
  adopted.record = past.record;
  adopted.last_number = NumberOf(past.record.Field("sent"));
  for (const auto& [number, bytes] : past.record.queue) {
    ++adopted.queued;
    adopted.queued_bytes += bytes.size();
    adopted.last_number = std::max(adopted.last_number, number);
  }
  Adopt(identity, adopted, past, *heir);
  return heir;
}

void SessionKeeper::Adopt(Identity identity, const SessionStore::Adopted& adopted,
                          const std::vector<StreamPos>& places,
                          std::span<const uint16_t> also_received, Session& waiting) {
  for (const uint16_t id : also_received) {
    static_cast<void>(waiting.Cold().from_device_qos2.Insert({id}, kPacketIds));
  }
  Adopt(std::move(identity), adopted, Past{adopted.record, places, false}, waiting);
}

void SessionKeeper::Adopt(Identity identity, const SessionStore::Adopted& adopted, const Past& past,
                          Session& waiting) {
  waiting.identity = std::make_unique<Identity>(std::move(identity));
  if (!waiting.identity->product) {
    waiting.identity->product = ProductOf(adopted.record.Field("t"));
  }
  waiting.epoch = adopted.epoch;
  Kept& kept = *(waiting.Cold().kept = std::make_unique<Kept>());
  kept.expiry_s = static_cast<uint32_t>(NumberOf(adopted.record.Field("x")));
  kept.queued = adopted.queued;
  kept.queued_bytes = adopted.queued_bytes;
  kept.last_number = std::max(adopted.last_number, NumberOf(adopted.record.Field("sent")));
  RestoreReceived(ParseReceived(adopted.record.Field("in")), waiting.cold->from_device_qos2);
  c_.store.List(*waiting.identity, waiting.epoch);
  uint32_t left_s = kept.expiry_s;
  if (const uint64_t off = NumberOf(adopted.record.Field("off")); off != 0) {
    const int64_t away_s = (c_.reactor.wall().value - static_cast<int64_t>(off)) / 1000;
    left_s -= static_cast<uint32_t>(std::clamp<int64_t>(away_s, 0, left_s));
  }
  SaveUnknownEnd(waiting, past);
  StartWaiting(waiting, left_s);
  const internal::v1::KeptFilters others =
      subscribe_.RestoreOwn(waiting, FiltersOf(adopted.record));
  pub_sub_.Restore(waiting, others, HadOf(past.record, past.places), MissedOf(past), [](bool) {});
}

// Its names, which say who may see the session and what it may hear of; one for all that wait.
std::shared_ptr<const ProductInfo> SessionKeeper::ProductOf(std::string_view tenancy) {
  const size_t end = tenancy.find('\n');
  if (end == std::string_view::npos) return nullptr;
  std::weak_ptr<const ProductInfo>& known = products_[std::string(tenancy)];
  if (auto there = known.lock()) return there;
  auto product = std::make_shared<ProductInfo>();
  product->tenant = std::string(tenancy.substr(0, end));
  product->product = std::string(tenancy.substr(end + 1));
  product->usage = std::make_shared<TenantUsage>();  // no connection counts on it
  known = product;
  return product;
}

// A claim removes when the connection ended; where it ended with its pod nobody has said so: then
// all that was there by now may have been sent.
void SessionKeeper::SaveUnknownEnd(const Session& waiting, const Past& past) {
  const std::string_view off = past.record.Field("off");
  const std::string now = std::to_string(c_.reactor.wall().value);
  std::vector<SessionStore::Change> changes = {
      SessionStore::Set("off", off.empty() ? now : std::string(off)),
      SessionStore::Set("in", FormatReceived(waiting))};
  if (off.empty()) {
    changes.push_back(SessionStore::Set("sent", std::to_string(waiting.kept()->last_number)));
  }
  c_.store.Write(waiting, std::move(changes), {});
}

void SessionKeeper::End(Session& session, const CloseCause& cause) {
  Session* heir = nullptr;
  if (session.kept() != nullptr) {
    const bool goes_on = !session.taken_over && session.kept()->expiry_s > 0;
    if (goes_on && HasPlaceFor(session)) heir = MakeHeir(session);
    if (heir == nullptr && cause.word == kShutdown && !session.taken_over) return SaveEnd(session);
    if (heir == nullptr) c_.store.Unlist(*session.identity, session.epoch);
    if (heir == nullptr && !session.taken_over) c_.store.Drop(SessionStore::OwnerOf(session));
  }
  if (heir == nullptr && !(session.taken_over && session.resumed)) pub_sub_.LeaveToOthers(session);
  // A drained pod leaves its wills to those that come after it: most clients are back by then.
  if (cause.word != kShutdown) EndWill(session, heir);
}

void SessionKeeper::SaveEnd(const Session& session) {
  const ColdState& cold = *session.cold;
  c_.store.Write(session,
                 {SessionStore::Set("off", std::to_string(c_.reactor.wall().value)),
                  SessionStore::Set("x", std::to_string(cold.kept->expiry_s)),
                  SessionStore::Set("in", FormatReceived(session)),
                  SessionStore::Set("sent", std::to_string(cold.outbound.last_sent_number()))},
                 {});
}

// Else a device that calls itself something else each time would fill the pod, and Redis.
bool SessionKeeper::HasPlaceFor(const Session& session) {
  if (session.identity->client == session.identity->device) return true;
  const auto waiting = waiting_of_.find(Hash64(session.identity->device));
  if (waiting == waiting_of_.end() || waiting->second < kWaitingOfDeviceMax) return true;
  c_.probe.Refuse("waiting_sessions_of_device");
  log::Refusal("session_not_kept",
               {{"device", session.identity->device},
                {"client", session.identity->client},
                {"reason", "eight other clients of the device are waited for here"},
                {"next", "its session has ended with its connection"}});
  return false;
}

// Whatever the limit: the slot that it stands for is free at the end of this iteration.
Session* SessionKeeper::MakeHeir(Session& session) {
  Session* heir = Reserve(std::numeric_limits<uint32_t>::max());
  SaveEnd(session);
  LeaveTo(SessionStore::OwnerOf(session), heir->handle(), session.kept()->expiry_s);
  heir->identity = std::make_unique<Identity>(*session.identity);
  heir->epoch = session.epoch;
  heir->Cold().kept = std::move(session.cold->kept);
  heir->cold->from_device_qos2 = std::move(session.cold->from_device_qos2);
  // Nothing comes on a device's own topics while it is away: these are to be seen by operators.
  heir->own_filters = session.own_filters;
  heir->own_filters_qos1 = session.own_filters_qos1;
  heir->cold->filters = std::move(session.cold->filters);
  StartWaiting(*heir, heir->kept()->expiry_s);
  pub_sub_.Move(session, *heir);
  heir->awaits_former = session.awaits_former;
  publish_.acks().Inherit(session.handle(), *heir);
  return heir;
}

// Where the session is another's by now, the kick that says so names the slot it had before.
void SessionKeeper::LeaveTo(const SessionStore::Owner& owner, SessionHandle heir,
                            uint32_t expiry_s) {
  const uint64_t former = owner.session.packed();
  leaving_[former] = heir;
  c_.store.Leave(owner, heir, expiry_s,
                 [this, former, epoch = owner.epoch](SessionStore::Written how) {
                   if (how != SessionStore::Written::kNotOurs) {
                     leaving_.erase(former);
                     return;
                   }
                   c_.reactor.After(kKickMs, [this, former, epoch] {
                     GiveUp(SessionHandle::FromPacked(former), epoch, true);
                   });
                 });
}

void SessionKeeper::StartWaiting(Session& waiting, uint32_t expiry_s) {
  waiting.phase = Phase::kAway;
  ++waiting_of_[Hash64(waiting.identity->device)];
  c_.probe.away_sessions.Add(1);
  SetDue(waiting, Due::kEnd, expiry_s);
}

std::vector<uint16_t> SessionKeeper::ReceivedOf(SessionHandle handle, uint64_t epoch) const {
  const auto heir = leaving_.find(handle.packed());
  const Session* session =
      c_.io.sessions().FindKept(heir == leaving_.end() ? handle : heir->second);
  if (session == nullptr || session->epoch != epoch || !session->cold) return {};
  std::vector<uint16_t> ids;
  for (const auto& entry : session->cold->from_device_qos2.entries()) {
    ids.push_back(entry.packet_id);
  }
  return ids;
}

void SessionKeeper::GiveUp(SessionHandle handle, uint64_t epoch, bool resumed) {
  if (const auto heir = leaving_.find(handle.packed()); heir != leaving_.end()) {
    handle = heir->second;
    leaving_.erase(heir);
  }
  if (Session* slot = c_.io.sessions().FindReserved(handle)) {
    slot->epoch = epoch;
    slot->taken_over = true;
    return;
  }
  Session* waiting = c_.io.sessions().FindKept(handle);
  if (waiting == nullptr || !waiting->is_away() || waiting->epoch != epoch) return;
  if (waiting->cold->will) {
    if (resumed) {
      c_.store.UnlistWill(*waiting->identity, waiting->epoch);
    } else {
      PublishWill(*waiting);  // its session has ended
    }
  }
  c_.store.Unlist(*waiting->identity, waiting->epoch);
  Free(*waiting);
}

void SessionKeeper::SetDue(Session& waiting, Due what, uint32_t in_s) {
  const int64_t due_ms = c_.reactor.now().value + int64_t{in_s} * 1000;
  (what == Due::kEnd ? waiting.kept()->end_due_ms : waiting.kept()->will_due_ms) = due_ms;
  due_.emplace(due_ms, waiting.handle().packed(), what);
  Arm();
}

// One timer, for what is due first; one that runs before its time arms the next.
void SessionKeeper::Arm() {
  if (due_.empty()) return;
  const int64_t due_ms = std::get<0>(*due_.begin());
  if (armed_ms_ != 0 && armed_ms_ <= due_ms) return;
  armed_ms_ = due_ms;
  c_.reactor.After(std::max<int64_t>(due_ms - c_.reactor.now().value, 0), [this, due_ms] {
    if (armed_ms_ == due_ms) armed_ms_ = 0;
    RunDue();
  });
}

void SessionKeeper::ForgetDue(const Session& waiting) {
  if (waiting.kept() == nullptr) return;
  due_.erase({waiting.kept()->end_due_ms, waiting.handle().packed(), Due::kEnd});
  due_.erase({waiting.kept()->will_due_ms, waiting.handle().packed(), Due::kWill});
}

void SessionKeeper::Verify(const Session& waiting) {
  c_.store.Write(waiting, {}, [this, handle = waiting.handle()](SessionStore::Written how) {
    Session* there = c_.io.sessions().FindKept(handle);
    if (how == SessionStore::Written::kNotOurs && there != nullptr && there->is_away())
      Free(*there);
  });
}

void SessionKeeper::Expire(Session& waiting) {
  if (waiting.cold->will) PublishWill(waiting);
  LeaveQueue(waiting);
  c_.store.Unlist(*waiting.identity, waiting.epoch);
  c_.probe.expired_sessions.Increment();
  Free(waiting);
}

// The session is gone from Redis once those messages are in the bus that other members are to have.
void SessionKeeper::LeaveQueue(const Session& waiting) {
  const bool is_shared = waiting.kept()->is_shared || PubSub::SharesAny(waiting);
  if (waiting.kept()->queued == 0 || !is_shared)
    return c_.store.Drop(SessionStore::OwnerOf(waiting));
  c_.store.ReadQueue(SessionStore::OwnerOf(waiting),
                     [this, identity = *waiting.identity, handle = waiting.handle(),
                      epoch = waiting.epoch](std::span<const SessionStore::Queued> queue) {
                       for (const SessionStore::Queued& queued : queue)
                         pub_sub_.LeaveToOthers(queued);
                       c_.bus.AfterAllAppended([this, identity, handle, epoch] {
                         c_.store.Drop({identity, handle, epoch});
                       });
                     });
}

void SessionKeeper::Free(Session& waiting) {
  ForgetDue(waiting);
  const auto of_device = waiting_of_.find(Hash64(waiting.identity->device));
  if (--of_device->second == 0) waiting_of_.erase(of_device);
  pub_sub_.Forget(waiting);
  waiting.phase = Phase::kClosed;
  waiting.cold.reset();
  c_.probe.away_sessions.Add(-1);
  c_.reactor.Defer([this, &waiting] { c_.io.sessions().Free(waiting); });
}

void SessionKeeper::RunDue() {
  const int64_t now_ms = c_.reactor.now().value;
  while (!due_.empty() && std::get<0>(*due_.begin()) <= now_ms) {
    const auto [due_ms, handle, what] = *due_.begin();
    due_.erase(due_.begin());
    Session* waiting = c_.io.sessions().FindKept(SessionHandle::FromPacked(handle));
    if (waiting == nullptr || !waiting->is_away()) continue;
    if (what == Due::kEnd && PubSub::IsCatchingUp(*waiting)) {
      SetDue(*waiting, Due::kEnd, 1);  // what it has missed goes to other members of its groups
    } else if (what == Due::kEnd) {
      Expire(*waiting);
    } else if (waiting->cold->will) {
      PublishWill(*waiting);
    }
  }
  Arm();
}

void SessionKeeper::Tick() {
  if (c_.store.idle() && pub_sub_.is_level()) c_.store.WritePlaces(c_.bus);
  pub_sub_.TellLevel();
}

}  // namespace homeport::gateway
