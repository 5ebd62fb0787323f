#include "services/gateway/ownership/ownership.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/gateway/identity/directory.h"

namespace homeport::gateway {
namespace {

constexpr size_t kPendingReleasesMax = 100'000;
constexpr size_t kLostClaimsMax = 100'000;
constexpr int kSettleTriesMax = 600;  // a minute, while Redis refuses

// A device has at most 8 clients at once. KEYS: record, kept session, its queue. ARGV:
// "<pod> <session>", the client's suffix, '1' for a clean start, seconds that the session is to
// outlive the connection, whose it is (FormatTenancy) where it may. The first lines are all that
// most claims need: nothing is in the record but its epoch counter. One write, so that Redis logs
// one command and no transaction. What a clean start discards is told where it may be another
// client's: the queue of a session with shared subscriptions whose client was away. A session that
// ends with its connection, field x of it being 0, is discarded as well. The counter
// begins at the Unix ms of the first claim: where Redis has lost its keys, epochs go on above all
// that PostgreSQL knows. Of what else a claim did a note, field "l:<pod>:<session>", tells whoever
// has lost its answer (kSettleSource); it stays until the answer is there, or until nine have been
// left by pods that died before that.
constexpr std::string_view kClaimSource = R"lua(
local last = redis.call('HGET', KEYS[1], 'e')
local epoch
if last then
  epoch = last + 1
else
  local now = redis.call('TIME')
  epoch = now[1] * 1000 + math.floor(now[2] / 1000)
end
local text = string.format('%d', epoch)
local place = ARGV[1] .. ARGV[2]
if ARGV[4] == '0' and redis.call('HLEN', KEYS[1]) == (last and 1 or 0) then
  redis.call('HSET', KEYS[1], 'e', text, place, text)
  return {epoch}
end
local record = redis.call('HGETALL', KEYS[1])
local former, former_field, clients, notes = false, nil, 0, {}
for i = 1, #record, 2 do
  local field = record[i]
  if field == 'x' then return {-1} end
  local holder, suffix = string.match(field, '^(%S+ %S+)(.*)$')
  if string.sub(field, 1, 2) == 'l:' then notes[#notes + 1] = field end
  if holder then
    clients = clients + 1
    if suffix == ARGV[2] then
      former, former_field = holder .. ' ' .. record[i + 1], field
    end
  end
end
if not former and clients >= 8 then return {-2} end
if former then redis.call('HDEL', KEYS[1], former_field) end
if #notes > 8 then redis.call('HDEL', KEYS[1], unpack(notes)) end
redis.call('HSET', KEYS[1], 'e', text, place, text)
if ARGV[4] ~= '0' then redis.call('HSET', KEYS[1], 'k', '1') end
local owner = redis.call('HGET', KEYS[2], 'h')
local goes_on = ARGV[3] == '0' and redis.call('HGET', KEYS[2], 'x') ~= '0'
if former or owner or ARGV[4] ~= '0' then
  local note = 'l:' .. string.gsub(ARGV[1], ' ', ':')
  redis.call('HSET', KEYS[1], note, text .. '|' .. (former or '') .. '|' .. (owner or ''))
end
if not owner and ARGV[4] == '0' then return {epoch, former} end
local fields, queue, sent = {}, {}, 0
if owner and goes_on then
  fields = redis.call('HGETALL', KEYS[2])
  queue = redis.call('HGETALL', KEYS[3])
elseif owner then
  local filters = redis.call('HGET', KEYS[2], 'f') or ''
  if not former and string.find(filters, '$share/', 1, true) then
    queue = redis.call('HGETALL', KEYS[3])
    sent = tonumber(redis.call('HGET', KEYS[2], 'sent') or '0')
  end
  redis.call('DEL', KEYS[2], KEYS[3])
end
if ARGV[4] ~= '0' or #fields > 0 then
  local holder = ARGV[1] .. ' ' .. text
  if #fields > 0 then
    redis.call('HSET', KEYS[2], 'h', holder, 'x', ARGV[4], 't', ARGV[5], 'c', '1')
  else
    redis.call('HSET', KEYS[2], 'h', holder, 'x', ARGV[4], 't', ARGV[5])
  end
  redis.call('HDEL', KEYS[2], 'off')
  redis.call('PERSIST', KEYS[2])
  redis.call('PERSIST', KEYS[3])
end
return {epoch, former, owner, fields, queue, sent}
)lua";

// Ends a claim whose answer was lost. KEYS and the first ARGV as of the claim, then the field of
// its note. Returns what the claim did, or nothing.
constexpr std::string_view kSettleSource = R"lua(
local note = redis.call('HGET', KEYS[1], ARGV[4])
redis.call('HDEL', KEYS[1], ARGV[1] .. ARGV[2], ARGV[4])
if not note then return {} end
local epoch, former, owner = string.match(note, '^(.*)|(.*)|(.*)$')
local fields, queue = {}, {}
if owner ~= '' and ARGV[3] == '0' then
  fields = redis.call('HGETALL', KEYS[2])
  queue = redis.call('HGETALL', KEYS[3])
end
return {tonumber(epoch), former, owner, fields, queue}
)lua";

// ARGV: "<pod> <session>", the client's suffix, epoch. Returns the epoch to go on with, or -1.
constexpr std::string_view kVerifySource = R"lua(
local record = redis.call('HGETALL', KEYS[1])
local stored = 0
for i = 1, #record, 2 do
  local field, value = record[i], record[i + 1]
  if field == ARGV[1] .. ARGV[2] then return value == ARGV[3] and tonumber(value) or -1 end
  if field == 'e' then stored = tonumber(value) end
  if string.match(field, '^%S+ %S+(.*)$') == ARGV[2] then return -1 end
end
if stored > tonumber(ARGV[3]) then return -1 end
redis.call('HSET', KEYS[1], 'e', ARGV[3])
local epoch = redis.call('HINCRBY', KEYS[1], 'e', 1)
redis.call('HSET', KEYS[1], ARGV[1] .. ARGV[2], epoch)
return epoch
)lua";

const redis::Script& ClaimScript() {
  static const redis::Script script(kClaimSource);
  return script;
}
const redis::Script& SettleScript() {
  static const redis::Script script(kSettleSource);
  return script;
}
const redis::Script& VerifyScript() {
  static const redis::Script script(kVerifySource);
  return script;
}

std::string Holder(const PodId& pod, SessionHandle session) {
  return fmt::format("{} {}", pod.str(), session.packed());
}

absl::StatusOr<Claim> ToClaim(const redis::Reply& reply) {
  if (!reply.ok() || reply.size() == 0) {
    return absl::UnavailableError(fmt::format("claim: {}", reply.error()));
  }
  const int64_t epoch = reply[0].integer();
  if (epoch == -1) return absl::PermissionDeniedError("the device is disabled");
  if (epoch == -2) return absl::ResourceExhaustedError("the device has 8 clients already");
  Claim claim;
  claim.epoch = static_cast<uint64_t>(epoch);
  if (reply.size() > 1) claim.former = ParseLocation(reply[1].text());
  if (reply.size() > 4) {
    claim.kept = ReadKeptRecord(reply[3], reply[4]);
    claim.kept->owner = ParseLocation(reply[2].text());
    if (reply.size() > 5) claim.kept->sent = static_cast<uint64_t>(reply[5].integer());
  }
  return claim;
}

std::string SuffixOf(const Identity& identity) {
  return routing::ClientSuffix(identity.device, identity.client);
}

// Field `t` of a kept session: whoever adopts it knows nothing else of its client.
std::string FormatTenancy(const Identity& identity) {
  if (identity.product == nullptr) return {};
  return fmt::format("{}\n{}", identity.product->tenant, identity.product->product);
}

}  // namespace

std::optional<SessionLocation> ParseLocation(std::string_view text) {
  const size_t first = text.find(' ');
  const size_t second = text.rfind(' ');
  if (first == std::string_view::npos || first == second) return std::nullopt;
  SessionLocation out;
  out.pod = std::string(text.substr(0, first));
  const auto number = [](std::string_view digits, uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (!number(text.substr(first + 1, second - first - 1), out.session)) return std::nullopt;
  if (!number(text.substr(second + 1), out.epoch)) return std::nullopt;
  return out;
}

std::vector<SessionRecord> ReadSessionRecords(const redis::Reply& reply) {
  std::vector<SessionRecord> records;
  for (size_t i = 0; i + 1 < reply.size(); i += 2) {
    const std::string_view field = reply[i].text();
    const size_t pod_end = field.find(' ');
    if (pod_end == std::string_view::npos) continue;  // the epoch counter, the block
    const size_t place_end = std::min(field.find(' ', pod_end + 1), field.size());
    auto location =
        ParseLocation(fmt::format("{} {}", field.substr(0, place_end), reply[i + 1].text()));
    if (!location) continue;
    records.push_back({*std::move(location), std::string(field.substr(place_end))});
  }
  return records;
}

std::string_view KeptRecord::Field(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return {};
}

KeptRecord ReadKeptRecord(const redis::Reply& fields, const redis::Reply& queue) {
  KeptRecord record;
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    record.fields.emplace_back(fields[i].text(), fields[i + 1].text());
  }
  for (size_t i = 0; i + 1 < queue.size(); i += 2) {
    uint64_t number = 0;
    const std::string_view text = queue[i].text();
    std::from_chars(text.data(), text.data() + text.size(), number);
    record.queue.emplace_back(number, queue[i + 1].text());
  }
  std::sort(record.queue.begin(), record.queue.end());
  return record;
}

void Ownership::Acquire(const Identity& identity, SessionHandle session, const SessionWish& wish,
                        OnClaim on_claim) {
  SendReleases();
  LostClaim claim;
  claim.words = {"3",
                 routing::SessionKey(identity.device),
                 routing::KeptKey(identity.device, identity.client),
                 routing::QueueKey(identity.device, identity.client),
                 Holder(pod_, session),
                 SuffixOf(identity),
                 wish.clean_start ? "1" : "0"};
  std::vector<std::string> words = claim.words;
  claim.words.push_back(fmt::format("l:{}:{}", pod_.str(), session.packed()));
  claim.on_claim = std::move(on_claim);
  words.push_back(std::to_string(wish.expiry_s));
  const bool may_outlive = wish.expiry_s > 0 || !wish.clean_start;
  words.push_back(may_outlive ? FormatTenancy(identity) : std::string());
  const bool is_sent = redis_.connected();
  redis_.Eval(ClaimScript(), std::move(words),
              [this, is_sent, claim = std::move(claim)](const redis::Reply& reply) mutable {
                absl::StatusOr<Claim> answer = ToClaim(reply);
                if (answer.ok() && (answer->former || answer->kept)) ForgetNote(claim);
                claim.on_claim(std::move(answer));
                if (!reply.lost()) return;
                probe_.claims_lost.Increment();
                if (is_sent) SettleLater(std::move(claim));
              });
}

void Ownership::SettleLater(LostClaim claim) {
  if (lost_.size() >= kLostClaimsMax || claim.tries >= kSettleTriesMax) {
    probe_.releases_dropped.Increment();
    return log::Refusal("lost_claim_dropped",
                        {{"key", claim.words[1]},
                         {"reason", claim.tries > 0 ? "Redis refuses" : "too many"},
                         {"next", "the next claim of the device replaces the record"}});
  }
  lost_.push_back(std::move(claim));
  settle_.Want();
}

void Ownership::ForgetNote(const LostClaim& claim) {
  const std::array<std::string_view, 3> words = {"HDEL", claim.words[1], claim.words.back()};
  redis_.Send(words, [](const redis::Reply& /*reply*/) {});
}

// Redis may have done what it could not answer: then the client id has left its former connection,
// which is to hear of it, and has nobody now. The client was told that it is not connected.
void Ownership::SettleLost() {
  if (!redis_.connected()) return;
  for (LostClaim& claim : std::exchange(lost_, {})) {
    ++settling_;
    std::vector<std::string> words = claim.words;
    redis_.Eval(SettleScript(), std::move(words),
                [this, claim = std::move(claim)](const redis::Reply& reply) mutable {
                  --settling_;
                  if (!reply.ok()) {
                    if (!reply.lost()) ++claim.tries;
                    return SettleLater(std::move(claim));
                  }
                  if (reply.size() > 0) claim.on_claim(ToClaim(reply));
                });
  }
}

Ownership::PendingRelease Ownership::ReleaseOf(const Identity& identity,
                                               SessionHandle session) const {
  return {routing::SessionKey(identity.device),
          routing::SessionField(pod_.str(), session.packed(), SuffixOf(identity)), 0};
}

void Ownership::Release(const Identity& identity, SessionHandle session) {
  Add(ReleaseOf(identity, session));
}

void Ownership::Add(PendingRelease release) {
  if (releases_.size() == kPendingReleasesMax) SendReleases();
  if (releases_.size() >= kPendingReleasesMax) {
    probe_.releases_dropped.Increment();
    return log::Refusal("release_dropped",
                        {{"key", release.key},
                         {"reason", "too many while Redis is away"},
                         {"next", "the next claim of the device replaces the record"}});
  }
  releases_.push_back(std::move(release));
  send_releases_.Want();
}

void Ownership::SendReleases() {
  if (!redis_.connected() || releases_.empty()) return;
  releases_under_way_ += releases_.size();
  for (PendingRelease& release : std::exchange(releases_, {})) {
    const std::array<std::string_view, 3> words = {"HDEL", release.key, release.field};
    redis_.Send(words, [this, release](const redis::Reply& reply) mutable {
      OnReleased(std::move(release), reply);
    });
  }
}

void Ownership::OnReleased(PendingRelease release, const redis::Reply& reply) {
  if (reply.ok() || reply.lost()) {
    --releases_under_way_;
    if (reply.lost()) Add(std::move(release));
    return;
  }
  const bool goes_on = ++release.tries < kSettleTriesMax;
  probe_.Refuse("release_refused");
  log::Refusal("release_refused", {{"key", release.key},
                                   {"reason", reply.error()},
                                   {"next", goes_on ? "again" : "the next claim replaces it"}});
  if (!goes_on) {
    --releases_under_way_;
    return probe_.releases_dropped.Increment();
  }
  reactor_.After(kSettleMs, [this, release = std::move(release)]() mutable {
    --releases_under_way_;
    Add(std::move(release));
  });
}

void Ownership::Verify(const Identity& identity, SessionHandle session, uint64_t epoch,
                       OnVerify on_verify) {
  SendReleases();
  redis_.Eval(
      VerifyScript(),
      {"1", routing::SessionKey(identity.device), Holder(pod_, session), SuffixOf(identity),
       std::to_string(epoch)},
      [on_verify = std::move(on_verify)](const redis::Reply& reply) mutable {
        if (!reply.ok()) return on_verify(absl::UnavailableError(std::string(reply.error())));
        if (reply.integer() < 0) return on_verify(absl::AbortedError("claimed by another"));
        on_verify(Claim{static_cast<uint64_t>(reply.integer()), std::nullopt, std::nullopt});
      });
}

void Ownership::Locate(std::string device, OnLocate on_locate) {
  const std::string key = routing::SessionKey(device);
  SendReleases();
  redis_.Send({"HGETALL", key},
              [this, on_locate = std::move(on_locate)](const redis::Reply& reply) mutable {
                if (!reply.ok())
                  return on_locate(absl::UnavailableError(std::string(reply.error())));
                std::optional<SessionLocation> found;
                for (SessionRecord& record : ReadSessionRecords(reply)) {
                  const bool is_main = record.suffix.empty();
                  if (is_main || !found) found = std::move(record.location);
                  if (is_main) break;
                }
                if (!found) return on_locate(std::optional<SessionLocation>());
                CheckPod(std::move(*found), std::move(on_locate));
              });
}

void Ownership::CheckPod(SessionLocation location, OnLocate on_locate) {
  if (location.pod == pod_.str()) return on_locate(std::optional(std::move(location)));
  const std::string key = routing::PodKey(location.pod);
  redis_.Send({"EXISTS", key}, [location = std::move(location), on_locate = std::move(on_locate)](
                                   const redis::Reply& reply) mutable {
    if (!reply.ok()) return on_locate(absl::UnavailableError(std::string(reply.error())));
    if (reply.integer() == 0) return on_locate(std::optional<SessionLocation>());
    on_locate(std::optional(std::move(location)));
  });
}

}  // namespace homeport::gateway
