#include "services/gateway/ownership/session_store.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr size_t kOpenBytesMax = 256 << 20;  // that Redis has not taken yet
constexpr size_t kPressedBytes = 16 << 20;
// That are sent and unanswered: more would keep what others ask Redis for behind it for long.
constexpr size_t kSentBytesMax = 4 << 20;
constexpr int64_t kRefusedPauseMs = 100;
constexpr int64_t kLeaveGraceMs = 3'600'000;  // for adoption and clocks
constexpr std::string_view kPlacesKeepS = "7200";

// KEYS: session, queue. ARGV: owner, then triples: "s1" or "s2" to set, "r1" or "r2" to remove in
// that key, field, value.
constexpr std::string_view kWriteSource = R"lua(
if redis.call('HGET', KEYS[1], 'h') ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 3 do
  local key = KEYS[tonumber(string.sub(ARGV[i], 2))]
  if string.sub(ARGV[i], 1, 1) == 's' then
    redis.call('HSET', key, ARGV[i + 1], ARGV[i + 2])
  else
    redis.call('HDEL', key, ARGV[i + 1])
  end
end
local ttl = redis.call('PTTL', KEYS[1])
if ttl > 0 then redis.call('PEXPIRE', KEYS[2], ttl) end
return 1
)lua";

// ARGV: owner, heir "<pod> <session> <epoch>", ms to live or 0. Done again after a lost answer it
// yields the same.
constexpr std::string_view kLeaveSource = R"lua(
local owner = redis.call('HGET', KEYS[1], 'h')
if owner ~= ARGV[1] and owner ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'h', ARGV[2])
if ARGV[3] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return 1
)lua";

constexpr std::string_view kReadQueueSource = R"lua(
if redis.call('HGET', KEYS[1], 'h') ~= ARGV[1] then return {} end
return {redis.call('HGET', KEYS[1], 'sent') or '0', redis.call('HGETALL', KEYS[2])}
)lua";

constexpr std::string_view kDropSource = R"lua(
if redis.call('HGET', KEYS[1], 'h') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
)lua";

// KEYS: record, session, queue. ARGV: the dead pod and a space, heir "<pod> <session>". Done again
// after a lost answer it yields the same.
constexpr std::string_view kAdoptSource = R"lua(
local owner = redis.call('HGET', KEYS[2], 'h')
if not owner then return {} end
local epoch
if string.sub(owner, 1, #ARGV[1]) == ARGV[1] then
  epoch = redis.call('HINCRBY', KEYS[1], 'e', 1)
  redis.call('HSET', KEYS[2], 'h', ARGV[2] .. ' ' .. epoch)
elseif string.sub(owner, 1, #ARGV[2] + 1) == ARGV[2] .. ' ' then
  epoch = tonumber(string.sub(owner, #ARGV[2] + 2))
else
  return {}
end
local session = redis.call('HGETALL', KEYS[2])
redis.call('HSET', KEYS[2], 'c', '1')
local queue = redis.call('HGETALL', KEYS[3])
local bytes, last = 0, 0
for i = 1, #queue, 2 do
  bytes = bytes + #queue[i + 1]
  last = math.max(last, tonumber(queue[i]))
end
return {epoch, session, #queue / 2, bytes, last}
)lua";

const redis::Script& WriteScript() {
  static const redis::Script script(kWriteSource);
  return script;
}
const redis::Script& LeaveScript() {
  static const redis::Script script(kLeaveSource);
  return script;
}
const redis::Script& ReadQueueScript() {
  static const redis::Script script(kReadQueueSource);
  return script;
}
const redis::Script& DropScript() {
  static const redis::Script script(kDropSource);
  return script;
}
const redis::Script& AdoptScript() {
  static const redis::Script script(kAdoptSource);
  return script;
}

size_t SizeOf(const std::vector<std::string>& words) {
  size_t bytes = 0;
  for (const std::string& word : words) bytes += word.size();
  return bytes;
}

std::string KeptKeyOf(const Identity& identity) {
  return routing::KeptKey(identity.device, identity.client);
}
std::string QueueKeyOf(const Identity& identity) {
  return routing::QueueKey(identity.device, identity.client);
}

void AddTriple(std::vector<std::string>& words, SessionStore::Change change) {
  std::string op(change.what == SessionStore::Change::What::kSet ? "s" : "r");
  op += change.where == SessionStore::Change::Where::kSession ? '1' : '2';
  words.push_back(std::move(op));
  words.push_back(std::move(change.field));
  words.push_back(std::move(change.value));
}

// Whether Redis may take later what it refuses now.
bool MayPass(std::string_view error) {
  constexpr std::string_view kKinds[] = {"OOM ",      "MISCONF ",     "READONLY ",
                                         "LOADING ",  "BUSY ",        "NOREPLICAS ",
                                         "TRYAGAIN ", "CLUSTERDOWN ", "MASTERDOWN "};
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&](std::string_view kind) { return error.substr(0, kind.size()) == kind; });
}

void Ignore(const redis::Reply& /*reply*/) {}

std::string SerializeWill(const Session& session, uint64_t epoch, int64_t due_ms) {
  const StoredWill& will = *session.cold->will;
  internal::v1::KeptWill out;
  *out.mutable_message() = will.message;
  out.set_delay_s(will.delay_s);
  out.set_session(session.handle().packed());
  out.set_epoch(epoch);
  out.set_due_ms(due_ms);
  return out.SerializeAsString();
}

}  // namespace

std::string SessionStore::Name(const Owner& owner) const {
  return fmt::format("{} {} {}", pod_.str(), owner.session.packed(), owner.epoch);
}

void SessionStore::Write(const Owner& owner, std::vector<Change> changes, OnWritten on_written) {
  std::vector<std::string> words = {"2", KeptKeyOf(owner.identity), QueueKeyOf(owner.identity),
                                    Name(owner)};
  for (Change& change : changes) AddTriple(words, std::move(change));
  Do({.script = &WriteScript(),
      .words = std::move(words),
      .on_reply = Telling(std::move(on_written)),
      .may_be_shed = true});
}

redis::Client::OnReply SessionStore::Telling(OnWritten on_written) {
  return [on_written = std::move(on_written)](const redis::Reply& reply) mutable {
    if (!on_written) return;
    on_written(!reply.ok()            ? Written::kFailed
               : reply.integer() == 1 ? Written::kDone
                                      : Written::kNotOurs);
  };
}

void SessionStore::Leave(const Owner& owner, SessionHandle heir, uint32_t expiry_s,
                         OnWritten on_written) {
  Do({&LeaveScript(),
      {"2", KeptKeyOf(owner.identity), QueueKeyOf(owner.identity), Name(owner),
       Name({owner.identity, heir, owner.epoch}),
       std::to_string(int64_t{expiry_s} * 1000 + kLeaveGraceMs)},
      Telling(std::move(on_written))});
}

void SessionStore::ReadQueue(const Owner& owner, OnQueue on_queue) {
  Do({&ReadQueueScript(),
      {"2", KeptKeyOf(owner.identity), QueueKeyOf(owner.identity), Name(owner)},
      [on_queue = std::move(on_queue)](const redis::Reply& reply) mutable {
        std::map<uint64_t, std::string_view> messages;
        const bool is_there = reply.ok() && reply.size() == 2;
        const uint64_t sent = is_there ? NumberOf(reply[0].text()) : 0;
        for (size_t i = 0; is_there && i + 1 < reply[1].size(); i += 2) {
          messages.emplace(NumberOf(reply[1][i].text()), reply[1][i + 1].text());
        }
        std::vector<Queued> queue;
        queue.reserve(messages.size());
        for (const auto& [number, bytes] : messages) queue.push_back({bytes, number <= sent});
        on_queue(queue);
      }});
}

void SessionStore::Drop(const Owner& owner) {
  Do({&DropScript(),
      {"2", KeptKeyOf(owner.identity), QueueKeyOf(owner.identity), Name(owner)},
      Ignore});
}

void SessionStore::Renew(const Owner& owner, uint64_t epoch) {
  Do({&LeaveScript(),
      {"2", KeptKeyOf(owner.identity), QueueKeyOf(owner.identity), Name(owner),
       Name({owner.identity, owner.session, epoch}), "0"},
      Ignore});
}

void SessionStore::List(const Identity& identity, uint64_t epoch) {
  Do({nullptr, {"SADD", routing::KeptOfPodKey(pod_.str()), ListName(identity, epoch)}, Ignore});
}

void SessionStore::Unlist(const Identity& identity, uint64_t epoch) {
  Do({nullptr, {"SREM", routing::KeptOfPodKey(pod_.str()), ListName(identity, epoch)}, Ignore});
}

void SessionStore::ListWill(const Session& session, uint64_t epoch, int64_t due_ms,
                            OnListed on_listed) {
  Do({nullptr,
      {"HSET", routing::WillsKey(pod_.str()), ListName(*session.identity, epoch),
       SerializeWill(session, epoch, due_ms)},
      [on_listed = std::move(on_listed)](const redis::Reply& /*reply*/) mutable {
        if (on_listed) on_listed();
      }});
}

void SessionStore::UnlistWill(const Identity& identity, uint64_t epoch) {
  UnlistWillOf(pod_.str(), identity, epoch);
}

void SessionStore::UnlistWillOf(std::string_view pod, const Identity& identity, uint64_t epoch) {
  Do({nullptr, {"HDEL", routing::WillsKey(pod), ListName(identity, epoch)}, Ignore});
}

void SessionStore::FindWill(const Identity& identity, uint64_t epoch, OnFound on_found) {
  Do({nullptr,
      {"HEXISTS", routing::WillsKey(pod_.str()), ListName(identity, epoch)},
      [on_found = std::move(on_found)](const redis::Reply& reply) mutable {
        on_found(!reply.is_integer() || reply.integer() != 0);
      }});
}

void SessionStore::ListPod() {
  Do({nullptr, {"SADD", std::string(routing::kPodsKey), pod_.str()}, Ignore});
}

void SessionStore::FindFormer(const Identity& identity, OnFormer on_former) {
  const std::string key = KeptKeyOf(identity);
  redis_.Send({"HGET", key, "h"},
              [this, on_former = std::move(on_former)](const redis::Reply& reply) mutable {
                if (!reply.ok()) {
                  return on_former(absl::UnavailableError(std::string(reply.error())));
                }
                const auto location = ParseLocation(reply.text());
                if (!location) return on_former(std::optional<Former>());
                ReadPlaces(location->pod, std::move(on_former));
              });
}

void SessionStore::ReadPlaces(std::string pod, OnFormer on_former) {
  const std::string key = routing::PlacesKey(pod);
  redis_.Send({"HGETALL", key}, [pod = std::move(pod), on_former = std::move(on_former)](
                                    const redis::Reply& reply) mutable {
    if (!reply.ok()) return on_former(absl::UnavailableError(std::string(reply.error())));
    Former former{std::move(pod), {}};
    for (size_t i = 0; i + 1 < reply.size(); i += 2) {
      uint32_t partition = 0;
      const std::string_view field = reply[i].text();
      const auto place = ParsePlace(reply[i + 1].text());
      const auto [end, error] =
          std::from_chars(field.data(), field.data() + field.size(), partition);
      if (error != std::errc() || end != field.data() + field.size() || !place) continue;
      if (partition >= routing::kBusPartitionsMax) continue;
      if (former.places.size() <= partition) former.places.resize(partition + 1);
      former.places[partition] = place->pos;
    }
    on_former(std::optional<Former>(std::move(former)));
  });
}

void SessionStore::WritePlaces(const Bus& bus) {
  const std::string key = routing::PlacesKey(pod_.str());
  std::vector<std::string> words = {"HSET", key};
  for (uint32_t i = 0; i < bus.partitions(); ++i) {
    if (!bus.IsFollowed(i)) continue;
    words.push_back(std::to_string(i));
    words.push_back(FormatPlace({bus.position(i), 0}));
  }
  if (words.size() > 2) Do({nullptr, std::move(words), Ignore});
  Do({nullptr, {"EXPIRE", key, std::string(kPlacesKeepS)}, Ignore});
}

void SessionStore::Adopt(const Identity& identity, std::string_view dead, SessionHandle heir,
                         OnAdopted on_adopted) {
  Do({&AdoptScript(),
      {"3", routing::SessionKey(identity.device), KeptKeyOf(identity), QueueKeyOf(identity),
       fmt::format("{} ", dead), fmt::format("{} {}", pod_.str(), heir.packed())},
      [on_adopted = std::move(on_adopted)](const redis::Reply& reply) mutable {
        if (!reply.ok()) return on_adopted(absl::UnavailableError(std::string(reply.error())));
        if (reply.size() < 5) return on_adopted(absl::NotFoundError("not that pod's"));
        on_adopted(Adopted{
            static_cast<uint64_t>(reply[0].integer()), ReadKeptRecord(reply[1], redis::Reply()),
            static_cast<uint32_t>(reply[2].integer()), static_cast<uint64_t>(reply[3].integer()),
            static_cast<uint64_t>(reply[4].integer())});
      }});
}

void SessionStore::Do(Command command) {
  command.number = ++last_number_;
  command.bytes = SizeOf(command.words);
  if (command.may_be_shed && open_bytes_ + command.bytes > kOpenBytesMax) {
    return Shed(std::move(command));
  }
  open_bytes_ += command.bytes;
  const bool waits =
      !redis_.connected() || !waiting_.empty() || trying_ != 0 || sent_bytes_ >= kSentBytesMax;
  waits ? Wait(std::move(command)) : Send(std::move(command));
}

void SessionStore::Send(Command command) {
  ++unanswered_;
  sent_bytes_ += command.bytes;
  std::vector<std::string> words = command.words;
  const redis::Script* script = command.script;
  auto on_reply = [this, command = std::move(command)](const redis::Reply& reply) mutable {
    --unanswered_;
    sent_bytes_ -= command.bytes;
    OnAnswer(std::move(command), reply);
  };
  if (script != nullptr) return redis_.Eval(*script, std::move(words), std::move(on_reply));
  std::vector<std::string_view> views(words.begin(), words.end());
  redis_.Send(views, std::move(on_reply));
}

void SessionStore::OnAnswer(Command command, const redis::Reply& reply) {
  if (trying_ != 0 && command.number == trying_) trying_ = 0;
  // What Redis did before one that it refused is done again behind that one.
  const bool is_early = (!waiting_.empty() && waiting_.begin()->first < command.number) ||
                        (trying_ != 0 && trying_ < command.number);
  if (reply.lost() || (is_early && reply.ok())) {
    Wait(std::move(command));
    return TryLater();
  }
  if (!reply.ok()) {
    const bool may_pass = MayPass(reply.error());
    probe_.Refuse("session_write_refused");
    log::Refusal("session_write_refused", {{"key", command.words[1]},
                                           {"of", command.words[2]},
                                           {"reason", reply.error()},
                                           {"next", may_pass ? "again" : "given up"}});
    if (may_pass) {
      Wait(std::move(command));
      return TryLater();
    }
  }
  open_bytes_ -= command.bytes;
  command.on_reply(reply);
  if (trying_ == 0 && !tries_later_) SendWaiting();
}

void SessionStore::Shed(Command command) {
  probe_.Refuse("session_write_dropped");
  log::Refusal("session_write_dropped", {{"key", command.words[1]},
                                         {"of", command.words[2]},
                                         {"reason", "too much waits for Redis"},
                                         {"bytes", open_bytes_}});
  // Not from inside the call that asks for the write.
  reactor_.Defer([on_reply = std::move(command.on_reply)]() mutable { on_reply(redis::Reply()); });
}

void SessionStore::Wait(Command command) {
  const uint64_t number = command.number;
  waiting_.emplace(number, std::move(command));
}

void SessionStore::SendWaiting() {
  while (redis_.connected() && !waiting_.empty() && sent_bytes_ < kSentBytesMax) {
    auto first = waiting_.extract(waiting_.begin());
    Send(std::move(first.mapped()));
  }
}

void SessionStore::TryLater() {
  if (std::exchange(tries_later_, true)) return;
  reactor_.After(kRefusedPauseMs, [this] { Try(); });
}

// The first one shows whether Redis takes writes again, before all are sent. Where the connection
// is down OnConnected sends them.
void SessionStore::Try() {
  tries_later_ = false;
  if (!redis_.connected() || waiting_.empty() || trying_ != 0) return;
  Command first = std::move(waiting_.begin()->second);
  waiting_.erase(waiting_.begin());
  trying_ = first.number;
  Send(std::move(first));
}

void SessionStore::OnConnected() { SendWaiting(); }

bool SessionStore::is_pressed() const { return open_bytes_ >= kPressedBytes; }

std::string ListName(const Identity& identity, uint64_t epoch) {
  return fmt::format("{}:{}:{}{}", epoch, identity.device.size(), identity.device, identity.client);
}

std::optional<Listed> ParseListName(std::string_view text) {
  const auto number = [&text](auto& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto taken = static_cast<size_t>(end - text.data());
    if (error != std::errc() || taken >= text.size() || text[taken] != ':') return false;
    text.remove_prefix(taken + 1);
    return true;
  };
  Listed listed;
  size_t size = 0;
  if (!number(listed.epoch) || !number(size) || size > text.size()) return std::nullopt;
  listed.identity.device = std::string(text.substr(0, size));
  listed.identity.client = std::string(text.substr(size));
  return listed;
}

uint64_t NumberOf(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string PlaceField(uint32_t partition) { return fmt::format("p{}", partition); }

std::string FormatPlace(const BusPlace& place) {
  return fmt::format("{}-{}-{}", place.pos.ms, place.pos.seq, place.index);
}

std::optional<BusPlace> ParsePlace(std::string_view text) {
  BusPlace place;
  const auto number = [&text](auto& value, bool last) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (last) return text.empty();
    if (text.substr(0, 1) != "-") return false;
    text.remove_prefix(1);
    return true;
  };
  if (!number(place.pos.ms, false) || !number(place.pos.seq, false) || !number(place.index, true)) {
    return std::nullopt;
  }
  return place;
}

}  // namespace homeport::gateway
