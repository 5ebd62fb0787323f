#include "services/registry/pod_sweeper.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"
#include "services/registry/ended_sessions.h"
#include "services/registry/store/session_table.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr int64_t kAdvisoryKey = 0x737765657065;  // "sweepe"
constexpr int64_t kWalkMs = 3'600'000;
constexpr int64_t kLookMs = 2'000;
constexpr std::string_view kScanCount = "512";

constexpr Statement kTryLock{"sweeper_lock", "SELECT pg_try_advisory_lock($1::int8)"};
constexpr Statement kDeadMembers{"sweeper_dead_members",
                                 "SELECT pod FROM registry_member WHERE heartbeat_until < now()"};
constexpr Statement kForgetWatches{"sweeper_forget_watches",
                                   "DELETE FROM watch WHERE expires_ms < $1::int8"};

// Removes the session records that name one of the pods ARGV; never the epoch counter `e`. Returns
// those that it has removed: fields and values in turn.
constexpr std::string_view kDeleteRecords = R"(
local removed = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local pod = string.match(fields[i], '^(%S+) ')
  for j = 1, #ARGV do
    if pod == ARGV[j] then
      redis.call('HDEL', KEYS[1], fields[i])
      table.insert(removed, fields[i])
      table.insert(removed, fields[i + 1])
      break
    end
  end
end
return removed)";

}  // namespace

PodSweeper::PodSweeper(Options options, const Clock& clock, ServiceProbe& probe)
    : options_(std::move(options)), clock_(clock), probe_(probe), redis_(options_.redis) {}

PodSweeper::~PodSweeper() { Stop(); }

void PodSweeper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void PodSweeper::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void PodSweeper::Run() {
  const int64_t interval_ms = std::min<int64_t>(2000, options_.lease_ms / 4);
  int64_t wait_ms = interval_ms;
  while (!stop_.WaitFor(wait_ms)) {
    const absl::Status status = Step();
    if (status.ok()) {
      backoff_.Reset();
      wait_ms = interval_ms;
    } else {
      const bool has_postgres = postgres_ != nullptr && !postgres_->broken();
      if (has_postgres) {
        probe_.RedisFailed();
      } else {
        probe_.PostgresFailed();
      }
      log::Warn("sweeper_retries", {{"error", status}});
      wait_ms = backoff_.NextMs();
    }
  }
}

absl::Status PodSweeper::Step() {
  if (postgres_ == nullptr || postgres_->broken()) {
    is_the_sweeper_ = false;
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
  }
  HP_RETURN_IF_ERROR(FindDeadPods());
  HP_ASSIGN_OR_RETURN(const bool mine, IsTheSweeper());
  if (!mine) return absl::OkStatus();
  Pods dead = dead_pods_.Get();
  std::erase_if(swept_, [&](const std::string& pod) { return !dead.contains(pod); });
  const bool news = !std::includes(swept_.begin(), swept_.end(), dead.begin(), dead.end());
  if (!news && clock_.Now() < walk_at_) return absl::OkStatus();
  HP_RETURN_IF_ERROR(
      postgres_->Execute(kForgetWatches, Params().Int8(clock_.Wall().value - 60'000)).status());
  HP_RETURN_IF_ERROR(SweepRedis(dead));
  swept_ = dead;
  walk_at_ = clock_.Now() + kWalkMs;
  return absl::OkStatus();
}

absl::Status PodSweeper::FindDeadPods() {
  HP_ASSIGN_OR_RETURN(Pods pods, PodsWithSessions(*postgres_));
  HP_ASSIGN_OR_RETURN(const Result members, postgres_->Execute(kDeadMembers));
  for (size_t i = 0; i < members.size(); ++i) pods.emplace(members.Text(i, 0));
  pods.insert(suspects_.begin(), suspects_.end());
  HP_ASSIGN_OR_RETURN(const Pods missing, WithoutLease(pods));
  std::erase_if(missing_since_, [&](const auto& entry) { return !missing.contains(entry.first); });
  Pods dead;
  for (const std::string& pod : missing) {
    const MonoMs since = missing_since_.try_emplace(pod, clock_.Now()).first->second;
    if (clock_.Now() - since >= options_.lease_ms) dead.insert(pod);
  }
  std::erase_if(suspects_, [&](const std::string& pod) { return !missing.contains(pod); });
  if (dead != dead_pods_.Get()) log::Info("dead_pods", {{"count", dead.size()}});
  probe_.DeadPods(dead.size());
  dead_pods_.Publish(dead);
  look_at_ = clock_.Now() + kLookMs;
  return absl::OkStatus();
}

absl::StatusOr<PodSweeper::Pods> PodSweeper::WithoutLease(const Pods& pods) {
  for (const std::string& pod : pods) {
    HP_RETURN_IF_ERROR(redis_.Send({"EXISTS", routing::PodKey(pod)}));
  }
  Pods missing;
  for (const std::string& pod : pods) {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply, redis_.Receive());
    HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
    if (reply.integer() == 0) missing.insert(pod);
  }
  return missing;
}

absl::StatusOr<bool> PodSweeper::IsTheSweeper() {
  if (is_the_sweeper_) return true;
  HP_ASSIGN_OR_RETURN(const Result locked,
                      postgres_->Execute(kTryLock, Params().Int8(kAdvisoryKey)));
  is_the_sweeper_ = locked.Bool(0, 0);
  return is_the_sweeper_;
}

// A walk over many records takes minutes: pods die meanwhile, and others are back.
absl::Status PodSweeper::LookAgain(Pods& dead) {
  if (clock_.Now() < look_at_) return absl::OkStatus();
  HP_RETURN_IF_ERROR(FindDeadPods());
  const Pods still_dead = dead_pods_.Get();
  std::erase_if(dead, [&](const std::string& pod) { return !still_dead.contains(pod); });
  return absl::OkStatus();
}

absl::Status PodSweeper::SweepRedis(Pods& dead) {
  Pods others;
  std::string cursor = "0";
  do {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply,
                        redis_.Call({"SCAN", cursor, "MATCH", "hp:{*", "COUNT", kScanCount}));
    HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
    if (reply.size() != 2) return absl::InternalError("SCAN: not [cursor, keys]");
    cursor = reply[0].text();
    Keys sessions, inboxes;
    for (size_t i = 0; i < reply[1].size(); ++i) {
      const std::string_view key = reply[1][i].text();
      if (!routing::DeviceOfSessionKey(key).empty()) sessions.emplace_back(key);
      if (!routing::PodOfInboxKey(key).empty()) inboxes.emplace_back(key);
    }
    HP_RETURN_IF_ERROR(SweepSessions(sessions, dead, others));
    HP_RETURN_IF_ERROR(SweepInboxes(inboxes));
    HP_RETURN_IF_ERROR(LookAgain(dead));
  } while (cursor != "0" && !stop_.stopped());
  suspects_.insert(others.begin(), others.end());
  return absl::OkStatus();
}

absl::Status PodSweeper::SweepSessions(const Keys& keys, const Pods& dead, Pods& others) {
  for (const std::string& key : keys) HP_RETURN_IF_ERROR(redis_.Send({"HGETALL", key}));
  Keys hit;
  for (const std::string& key : keys) {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply fields, redis_.Receive());
    bool is_hit = false;
    for (size_t i = 0; i + 1 < fields.size(); i += 2) {
      const std::string_view field = fields[i].text();
      if (field.find(' ') == std::string_view::npos) continue;  // not a session
      std::string pod(field.substr(0, field.find(' ')));
      if (dead.contains(pod)) {
        is_hit = true;
      } else {
        others.insert(std::move(pod));
      }
    }
    if (is_hit) hit.push_back(key);
  }
  return hit.empty() ? absl::OkStatus() : DeleteRecords(hit, dead);
}

absl::Status PodSweeper::DeleteRecords(const Keys& keys, const Pods& dead) {
  for (const std::string& key : keys) {
    std::vector<std::string_view> words = {"EVAL", kDeleteRecords, "1", key};
    words.insert(words.end(), dead.begin(), dead.end());
    HP_RETURN_IF_ERROR(redis_.Send(words));
  }
  std::vector<EndedSession> ended;
  for (const std::string& key : keys) {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply removed, redis_.Receive());
    HP_RETURN_IF_ERROR(redis_blocking::ToStatus(removed));
    probe_.KeysSwept(removed.size() / 2);
    for (size_t i = 0; i + 1 < removed.size(); i += 2) {
      AppendEnded(routing::DeviceOfSessionKey(key), removed[i].text(), removed[i + 1].text(),
                  ended);
    }
  }
  return TellOfEnded(redis_, *postgres_, ended);
}

// Nobody appends to the inbox of a pod without a lease, so what is there has no reader any more.
absl::Status PodSweeper::SweepInboxes(const Keys& keys) {
  Pods pods;
  for (const std::string& key : keys) pods.emplace(routing::PodOfInboxKey(key));
  HP_ASSIGN_OR_RETURN(const Pods missing, WithoutLease(pods));
  for (const std::string& pod : missing) {
    const auto since = missing_since_.find(pod);
    if (since == missing_since_.end()) {
      suspects_.insert(pod);
    } else if (clock_.Now() - since->second >= options_.lease_ms) {
      HP_ASSIGN_OR_RETURN(const redis_blocking::Reply removed,
                          redis_.Call({"DEL", routing::InboxKey(pod)}));
      HP_RETURN_IF_ERROR(redis_blocking::ToStatus(removed));
    }
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
