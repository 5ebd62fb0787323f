#include "services/registry/stream/worker.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"
#include "services/registry/store/session_table.h"
#include "services/registry/store/state_store.h"
#include "services/registry/store/topology_store.h"

namespace homeport::registry {
namespace {

constexpr int64_t kBlockMs = 250;    // waiting for uplinks: the longest reaction to anything else
constexpr int64_t kAcquireMs = 250;  // between attempts to take partitions over
constexpr int64_t kTrimMs = 1000;
constexpr int64_t kSweepMs = 1000;
constexpr size_t kSweepSessions = 1000;
constexpr int64_t kCheckMs = 250;
constexpr size_t kChecksMax = 1000;
constexpr int kCarefulTransactions = 64;
// At most one part in so many of the time goes to transactions, but none waits longer than that.
constexpr int64_t kCommitShare = 4;
constexpr int64_t kCommitWaitMsMax = 25;
// A transaction for what nobody waits for starts no sooner after the one before: in a storm of
// connections it carries many of them.
constexpr int64_t kPatienceMs = 200;

postgres::ConnectOptions WithBatchSettings(postgres::ConnectOptions options) {
  options.settings = kBatchSettings;
  return options;
}

// Errors that come from what is stored, and would come again.
bool IsStorageError(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
         absl::IsDataLoss(status);
}

}  // namespace

Worker::Worker(WorkerOptions options, const Parts& parts)
    : options_(std::move(options)),
      parts_(parts),
      probe_(parts.metrics, options_.index),
      table_(options_.pod, options_.lease_ms),
      committer_({.clock = parts.clock,
                  .catalog = parts.catalog,
                  .table = table_,
                  .probe = probe_,
                  .limits = options_.consumer,
                  .partitions = options_.partitions,
                  .devices_max = options_.devices_max,
                  .provisions = parts.provisions}),
      outbox_(probe_),
      redis_(options_.redis) {}

Worker::~Worker() { Stop(); }

void Worker::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Worker::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void Worker::Run() {
  while (!stop_.stopped()) {
    heartbeat_.Beat();
    const absl::Status status = Step();
    if (status.ok()) {
      backoff_.Reset();
    } else {
      Failed(status);
    }
  }
  ReleaseAll();
}

absl::Status Worker::Step() {
  HP_RETURN_IF_ERROR(EnsureDatabase());
  HP_RETURN_IF_ERROR(UpdateOwnership());
  if (owned_.empty()) {
    (void)stop_.WaitFor(kAcquireMs / 5);
    return absl::OkStatus();
  }
  HP_RETURN_IF_ERROR(Exchange());
  HP_RETURN_IF_ERROR(SweepDeadPods());
  HP_RETURN_IF_ERROR(CheckPresence());
  return CommitNext();
}

// A PostgreSQL failure leaves in_doubt_ set by whoever met it; all others are Redis's.
void Worker::Failed(const absl::Status& status) {
  const bool fenced = ReasonOf(status) == PartitionTable::kFenced;
  if (in_doubt_) {
    if (!fenced) probe_.PostgresFailed();
  } else {
    probe_.RedisFailed();
  }
  log::Warn("worker_retries", {{"worker", options_.index},
                               {"dependency", in_doubt_ ? "postgres" : "redis"},
                               {"error", status}});
  if (!fenced) (void)stop_.WaitFor(backoff_.NextMs());
}

absl::Status Worker::EnsureDatabase() {
  if (postgres_ != nullptr && postgres_->broken()) postgres_.reset();
  if (postgres_ == nullptr) {
    in_doubt_ = true;
    HP_ASSIGN_OR_RETURN(postgres_,
                        postgres::Connection::Open(WithBatchSettings(options_.postgres)));
  }
  return in_doubt_ ? Resync() : absl::OkStatus();
}

// Takes what PostgreSQL says for true: which partitions are still ours, how far each is consumed,
// and which downlinks the last commit wanted sent.
absl::Status Worker::Resync() {
  committer_.Forget();
  HP_ASSIGN_OR_RETURN(std::vector<PartitionRow> rows, table_.Reload(*postgres_, Keys()));
  const size_t lost = owned_.size() - rows.size();
  while (!owned_.empty()) Disown(owned_.begin()->first);
  for (PartitionRow& row : rows) Own(std::move(row));
  if (lost > 0) {
    probe_.Fenced(lost);
    log::Warn("partitions_lost", {{"worker", options_.index}, {"count", lost}});
  }
  in_doubt_ = false;
  return absl::OkStatus();
}

void Worker::Own(PartitionRow row) {
  reader_.Follow(row.partition, row.last_id);
  caught_up_ms_ = 0;  // of all partitions together
  trims_[row.partition].due = true;
  outbox_.Add(std::move(row.pending));
  owned_[row.partition] = {.key = {row.partition, row.fence},
                           .generation = row.generation,
                           .last_id = row.last_id,
                           .producers = std::move(row.producers)};
  probe_.Owns(owned_.size());
}

void Worker::Disown(uint32_t partition) {
  reader_.Unfollow(partition);
  committer_.ForgetPartition(partition);
  trims_.erase(partition);
  owned_.erase(partition);
  probe_.Owns(owned_.size());
}

std::set<uint32_t> Worker::Wanted() const {
  std::set<uint32_t> wanted = parts_.wanted.Get();
  std::erase_if(wanted, [&](uint32_t p) { return p % options_.workers != options_.index; });
  return wanted;
}

std::vector<PartitionKey> Worker::Keys() const {
  std::vector<PartitionKey> keys;
  for (const auto& [id, partition] : owned_) keys.push_back(partition.key);
  return keys;
}

absl::Status Worker::UpdateOwnership() {
  const std::set<uint32_t> wanted = Wanted();
  in_doubt_ = true;  // until every statement below has succeeded
  HP_RETURN_IF_ERROR(ReleaseUnwanted(wanted));
  HP_RETURN_IF_ERROR(AcquireMissing(wanted));
  HP_RETURN_IF_ERROR(RenewLeases());
  in_doubt_ = false;
  return absl::OkStatus();
}

// Only once every downlink is sent: then the new owner has nothing to repeat.
absl::Status Worker::ReleaseUnwanted(const std::set<uint32_t>& wanted) {
  if (!outbox_.empty()) return absl::OkStatus();
  std::vector<PartitionKey> unwanted;
  for (const auto& [id, partition] : owned_) {
    if (!wanted.contains(id)) unwanted.push_back(partition.key);
  }
  if (unwanted.empty()) return absl::OkStatus();
  HP_RETURN_IF_ERROR(table_.Release(*postgres_, unwanted, {.sent = true}));
  for (const PartitionKey& key : unwanted) Disown(key.partition);
  log::Info("partitions_released", {{"worker", options_.index}, {"count", unwanted.size()}});
  return absl::OkStatus();
}

absl::Status Worker::AcquireMissing(const std::set<uint32_t>& wanted) {
  if (parts_.clock.Now() < acquire_at_) return absl::OkStatus();
  std::vector<uint32_t> missing;
  for (const uint32_t partition : wanted) {
    if (!owned_.contains(partition)) missing.push_back(partition);
  }
  if (missing.empty()) return absl::OkStatus();
  acquire_at_ = parts_.clock.Now() + kAcquireMs;
  HP_ASSIGN_OR_RETURN(std::vector<PartitionRow> rows, table_.Acquire(*postgres_, missing));
  if (!rows.empty()) {
    log::Info("partitions_acquired", {{"worker", options_.index}, {"count", rows.size()}});
  }
  const bool took_all = rows.size() == missing.size();
  for (PartitionRow& row : rows) Own(std::move(row));
  return took_all ? absl::OkStatus() : EndStalled();
}

// A pod that stands still may have its partitions locked beyond its lease.
absl::Status Worker::EndStalled() {
  HP_ASSIGN_OR_RETURN(const int64_t ended, table_.EndStalled(*postgres_));
  if (ended == 0) return absl::OkStatus();
  probe_.StalledEnded(ended);
  log::Warn("stalled_connections_ended",
            {{"worker", options_.index},
             {"count", ended},
             {"reason", "a registry has kept PostgreSQL waiting for longer than its lease"},
             {"next", "its partitions are taken over"}});
  return absl::OkStatus();
}

// Every commit renews the leases of its partitions; this is for the idle ones.
absl::Status Worker::RenewLeases() {
  if (owned_.empty() || parts_.clock.Now() < renew_at_) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const std::vector<uint32_t> held,
                      table_.Renew(*postgres_, Keys(), caught_up_ms_));
  renew_at_ = parts_.clock.Now() + options_.lease_ms / 3;
  if (held.size() == owned_.size()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kAborted, PartitionTable::kFenced,
                         "another pod has taken partitions over");
}

void Worker::ReleaseAll() {
  if (!in_doubt_ && !outbox_.empty()) {
    if (const absl::Status status = Exchange(); !status.ok()) {
      log::Warn("worker_leaves_downlinks",
                {{"worker", options_.index},
                 {"error", status},
                 {"next", "the next owner of its partitions sends them"}});
    }
  }
  if (owned_.empty() || postgres_ == nullptr || postgres_->broken()) return;
  const absl::Status status =
      table_.Release(*postgres_, Keys(), {.sent = !in_doubt_ && outbox_.empty()});
  if (!status.ok()) {
    log::Warn("worker_leaves_leases",
              {{"worker", options_.index},
               {"error", status},
               {"next", "its partitions are taken over once the leases have run out"}});
  }
  owned_.clear();
  probe_.Owns(0);
}

absl::Status Worker::Exchange() {
  HP_ASSIGN_OR_RETURN(const size_t answers, outbox_.Send(redis_));
  HP_ASSIGN_OR_RETURN(const std::vector<uint32_t> trimmed, SendTrims());
  const bool read = reader_.WantsMore() && !stop_.stopped();
  if (read) HP_RETURN_IF_ERROR(reader_.Send(redis_, BlockMs()));
  HP_RETURN_IF_ERROR(outbox_.Receive(redis_, answers));
  HP_RETURN_IF_ERROR(ReceiveTrims(trimmed));
  if (!read) return absl::OkStatus();
  HP_RETURN_IF_ERROR(reader_.Receive(redis_));
  if (reader_.empty()) caught_up_ms_ = parts_.clock.Wall().value;
  return absl::OkStatus();
}

// What nobody waits for waits for company where it would also be seen that somebody does.
int64_t Worker::BlockMs() const {
  if (reader_.empty()) return kBlockMs;
  return reader_.CanWait() ? std::max<int64_t>(0, CommitWait()) : 0;
}

absl::StatusOr<std::vector<uint32_t>> Worker::SendTrims() {
  std::vector<uint32_t> trimmed;
  for (auto& [id, trim] : trims_) {
    if (!trim.due || parts_.clock.Now() - trim.done < kTrimMs) continue;
    const std::string key = routing::UplinkKey(id);
    HP_RETURN_IF_ERROR(
        redis_.Send({"XTRIM", key, "MINID", "=", ToText(Next(owned_.at(id).last_id))}));
    HP_RETURN_IF_ERROR(redis_.Send({"XLEN", key}));
    trimmed.push_back(id);
  }
  return trimmed;
}

absl::Status Worker::ReceiveTrims(const std::vector<uint32_t>& trimmed) {
  for (const uint32_t id : trimmed) {
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply removed, redis_.Receive());
    HP_ASSIGN_OR_RETURN(const redis_blocking::Reply left, redis_.Receive());
    HP_RETURN_IF_ERROR(redis_blocking::ToStatus(removed));
    trims_[id] = {.due = left.integer() > 0, .done = parts_.clock.Now(), .entries = left.integer()};
  }
  int64_t backlog = 0;
  for (const auto& [id, trim] : trims_) backlog += trim.entries;
  probe_.Backlog(backlog);
  return absl::OkStatus();
}

absl::Status Worker::CommitNext() {
  if (reader_.empty()) {
    probe_.Idle();
    return absl::OkStatus();
  }
  // A commit replaces the pending downlinks of its partitions: the former must be out first.
  if (!outbox_.empty()) return absl::OkStatus();
  if (const int64_t wait = CommitWait(); wait > 0 && reader_.WantsMore()) {
    // Small transactions cost more than a short wait; the next Exchange waits for what can.
    if (!reader_.CanWait()) (void)stop_.WaitFor(wait);
    return absl::OkStatus();
  }
  const MonoMs began = parts_.clock.Now();
  const absl::Status status = CommitOrRehearse();
  // The slower PostgreSQL is, the more goes into one transaction. What a full one has left behind
  // has company enough: a backlog is worked off without a pause.
  const int64_t share = std::min(kCommitShare * (parts_.clock.Now() - began), kCommitWaitMsMax);
  commit_at_ = began + std::max(options_.commit_interval_ms, reader_.empty() ? share : 0);
  patient_until_ = reader_.empty() ? began + kPatienceMs : commit_at_;
  return status;
}

int64_t Worker::CommitWait() const {
  const MonoMs due = reader_.CanWait() ? std::max(commit_at_, patient_until_) : commit_at_;
  return due - parts_.clock.Now();
}

absl::Status Worker::CommitOrRehearse() {
  Batch batch;
  Batch::Limits limits = options_.batch;
  if (careful_ > 0) limits.entries_max = 1;
  batch.Fill(reader_, limits);
  Batch::Entry& first = batch.entries().front();
  const auto found = isolations_.find(first.raw.partition);
  if (found == isolations_.end()) return CommitBatch(batch);
  if (found->second.id() != first.raw.id) {  // it was committed, and the answer lost
    isolations_.erase(found);
    return CommitBatch(batch);
  }
  LeaveOut(first);
  return found->second.IsWhole() ? CommitBatch(batch) : Rehearse(batch, found->second);
}

void Worker::LeaveOut(Batch::Entry& entry) const {
  const Isolation& isolation = isolations_.at(entry.raw.partition);
  entry.skip = isolation.IsHopeless();
  entry.left_out = isolation.skipped();
  entry.end = isolation.end();
}

absl::Status Worker::CommitBatch(Batch& batch) {
  size_t applied = 0;
  Downlinks downlinks;
  in_doubt_ = true;
  heartbeat_.Beat();
  const absl::Status status = committer_.Commit(*postgres_, batch, owned_, &applied, &downlinks);
  if (IsStorageError(status)) {
    log::Error(
        "transaction_refused",
        {{"worker", options_.index}, {"entries", batch.entries().size()}, {"error", status}});
    Isolate(batch);
  }
  HP_RETURN_IF_ERROR(status);
  in_doubt_ = false;
  careful_ = std::max(0, careful_ - 1);
  for (size_t i = 0; i < applied; ++i) {
    const UplinkEntry& entry = batch.entries()[i].raw;
    trims_[entry.partition].due = true;
    isolations_.erase(entry.partition);
  }
  batch.PutBackFrom(applied, reader_);
  outbox_.Add(std::move(downlinks));
  return absl::OkStatus();
}

// After a transaction that PostgreSQL refused: one entry at a time, until one fails alone; then its
// messages are searched for those that cannot be stored.
void Worker::Isolate(const Batch& batch) {
  careful_ = kCarefulTransactions;
  const Batch::Entry& entry = batch.entries().front();
  if (batch.entries().size() > 1 || entry.made_here) return;
  const auto found = isolations_.find(entry.raw.partition);
  if (found != isolations_.end() && found->second.id() == entry.raw.id) {
    return found->second.Failed();
  }
  const size_t messages =
      entry.decoded == nullptr ? 0 : static_cast<size_t>(entry.decoded->messages_size());
  isolations_.insert_or_assign(entry.raw.partition, Isolation(entry.raw.id, messages));
}

// A step of the search. What it learns is no failure: the next step follows at once, on the state
// that PostgreSQL holds.
absl::Status Worker::Rehearse(Batch& batch, Isolation& isolation) {
  in_doubt_ = true;
  careful_ = kCarefulTransactions;
  probe_.Rehearsed();
  heartbeat_.Beat();
  const absl::Status status = committer_.Rehearse(*postgres_, batch, owned_);
  if (IsStorageError(status)) {
    isolation.Failed();
    return absl::OkStatus();
  }
  HP_RETURN_IF_ERROR(status);
  isolation.Passed();
  return absl::OkStatus();
}

// The sessions of a dead pod end as if it had said so itself: through the same transaction.
absl::Status Worker::SweepDeadPods() {
  if (parts_.clock.Now() < sweep_at_) return absl::OkStatus();
  sweep_at_ = parts_.clock.Now() + kSweepMs;
  const std::set<std::string> dead = parts_.dead_pods.Get();
  if (dead.empty()) return absl::OkStatus();
  in_doubt_ = true;
  // A pod that wakes as it is taken for dead announces its sessions anew: those are no older than
  // what is known of the dead, and stay.
  const int64_t since_before_ms = parts_.clock.Wall().value - options_.pod_lease_ms;
  HP_ASSIGN_OR_RETURN(const std::vector<StoredSession> sessions,
                      FindSessionsOf(*postgres_, dead, Keys(), since_before_ms, kSweepSessions));
  in_doubt_ = false;
  if (sessions.empty()) return absl::OkStatus();
  Batch batch;
  for (const StoredSession& session : sessions) {
    internal::v1::UplinkMessage& message =
        *batch.AddMade(session.partition, session.pod).add_messages();
    message.set_kind(internal::v1::UplinkMessage::KIND_DISCONNECTED);
    message.set_device(session.device);
    message.set_client(session.client);
    message.set_session(session.session);
    message.set_epoch(session.epoch);
    message.set_received_ms(parts_.clock.Wall().value);
    internal::v1::Disconnected gone;
    gone.set_reason("SERVER_ERROR");
    message.set_payload(gone.SerializeAsString());
  }
  HP_RETURN_IF_ERROR(CommitBatch(batch));
  probe_.SessionsSwept(sessions.size());
  if (sessions.size() == kSweepSessions) sweep_at_ = parts_.clock.Now();
  return absl::OkStatus();
}

// Presence that changes by the passing of time goes the same way.
absl::Status Worker::CheckPresence() {
  // A commit replaces the pending downlinks of its partitions: the former must be out first.
  if (parts_.clock.Now() < check_at_ || !outbox_.empty()) return absl::OkStatus();
  check_at_ = parts_.clock.Now() + kCheckMs;
  in_doubt_ = true;
  HP_ASSIGN_OR_RETURN(const std::vector<DueCheck> checks,
                      FindDueChecks(*postgres_, Keys(), parts_.clock.Wall().value, kChecksMax));
  in_doubt_ = false;
  if (checks.empty()) return absl::OkStatus();
  Batch batch;
  for (const DueCheck& check : checks) {
    internal::v1::UplinkMessage& message =
        *batch.AddMade(check.partition, options_.pod).add_messages();
    message.set_kind(internal::v1::UplinkMessage::KIND_PRESENCE_CHECK);
    message.set_device(check.device);
    message.set_received_ms(parts_.clock.Wall().value);
  }
  if (checks.size() == kChecksMax) check_at_ = parts_.clock.Now();
  return CommitBatch(batch);
}

}  // namespace homeport::registry
