#include "services/registry/registry_probe.h"

#include <algorithm>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "services/registry/catalog_probe.h"

namespace homeport::registry {
namespace {

constexpr std::array<std::string_view, kMessageKinds> kKindNames = {
    "unknown",       "connected",     "disconnected",   "properties", "event",   "telemetry",
    "shadow_get",    "shadow_update", "shadow_delete",  "watch",      "unwatch", "watch_renew",
    "shadow_listen", "provision",     "topology",       "attach",     "detach",  "hub_session",
    "child_joined",  "child_left",    "presence_check", "replied"};

constexpr std::string_view kRefusalsHelp =
    "Messages, parts of messages and calls refused, by reason";

std::string Name(std::string_view rest) { return fmt::format("homeport_registry_{}", rest); }

metrics::Buckets CountBuckets() { return {.bounds = {1, 4, 16, 64, 256, 512, 1024, 2048, 4096}}; }

std::array<metrics::Counter*, kMessageKinds> MessageCounters(metrics::Registry& registry) {
  std::array<metrics::Counter*, kMessageKinds> counters;
  for (size_t kind = 0; kind < kMessageKinds; ++kind) {
    counters[kind] =
        &registry.AddCounter(Name("messages_total"), "Uplink messages committed, by kind",
                             {{"kind", std::string(kKindNames[kind])}});
  }
  return counters;
}

std::array<metrics::Counter*, kRefusals> RefusalCounters(metrics::Registry& registry) {
  std::array<metrics::Counter*, kRefusals> counters;
  for (size_t reason = 0; reason < kRefusals; ++reason) {
    counters[reason] =
        &registry.AddCounter(Name("refusals_total"), kRefusalsHelp,
                             {{"reason", std::string(ToText(static_cast<Refusal>(reason)))}});
  }
  return counters;
}

constexpr std::string_view kPresenceHelp = "Changes of the presence of devices, as told";
constexpr std::string_view kFailuresHelp = "Operations that failed and are repeated, by dependency";

}  // namespace

WorkerProbe::WorkerProbe(metrics::Registry& r, uint32_t worker)
    : messages_(MessageCounters(r)),
      refusals_(RefusalCounters(r)),
      versions_(r.AddCounter(Name("shadow_versions_total"), "Shadow versions committed")),
      unchanged_(r.AddCounter(Name("shadow_unchanged_total"),
                              "Updates that changed nothing and made no version")),
      coalesced_(r.AddCounter(Name("history_coalesced_total"),
                              "Reported values kept as history that were the same as before")),
      shadow_loops_(r.AddCounter(Name("shadow_loops_total"),
                                 "Shadow leaves over which two writers fought until refused")),
      migrations_(r.AddCounter(Name("model_migrations_total"),
                               "Shadows brought to another version of their product's model")),
      values_lost_(r.AddCounter(Name("model_values_lost_total"),
                                "Shadow values that did not fit another version of the model")),
      duplicate_batches_(r.AddCounter(Name("duplicate_batches_total"),
                                      "Batches appended again after they were committed")),
      duplicate_reports_(r.AddCounter(Name("duplicate_reports_total"),
                                      "Reports sent again after they were applied")),
      duplicate_events_(
          r.AddCounter(Name("duplicate_events_total"), "Events sent again after they were stored")),
      stale_epochs_(r.AddCounter(Name("stale_epochs_total"),
                                 "News of connections older than what was known")),
      overtaken_(r.AddCounter(Name("overtaken_messages_total"),
                              "Unacknowledged messages appended after their device had connected "
                              "again")),
      went_online_(r.AddCounter(Name("presence_changes_total"), kPresenceHelp, {{"to", "online"}})),
      went_offline_(
          r.AddCounter(Name("presence_changes_total"), kPresenceHelp, {{"to", "offline"}})),
      fell_silent_(r.AddCounter(Name("children_silent_total"),
                                "Children offline because their hub heard nothing of them")),
      flaps_(r.AddCounter(Name("presence_flaps_total"),
                          "Connections that broke off and were back before it was told")),
      transactions_(r.AddCounter(Name("transactions_total"), "Transactions committed")),
      rehearsals_(r.AddCounter(Name("rehearsals_total"),
                               "Transactions rolled back in search of a message that PostgreSQL "
                               "refuses")),
      batch_messages_(r.AddHistogram(Name("transaction_messages"), "Messages in a transaction",
                                     CountBuckets())),
      batch_bytes_(r.AddHistogram(Name("transaction_bytes"), "Uplink bytes in a transaction",
                                  metrics::SizeBuckets())),
      commit_seconds_(r.AddHistogram(Name("transaction_seconds"),
                                     "Time from decoding a batch to the answer to its COMMIT",
                                     metrics::LatencyBuckets())),
      backlog_(r.AddGauge(Name("stream_lag_entries"), "Stream entries not yet committed")),
      partitions_(r.AddGauge(Name("partitions_owned"), "Uplink partitions owned")),
      fenced_(r.AddCounter(Name("fenced_total"), "Partitions lost to another owner")),
      stalled_(
          r.AddCounter(Name("stalled_connections_ended_total"),
                       "Connections of registries that kept PostgreSQL waiting beyond a lease")),
      redis_failures_(
          r.AddCounter(Name("retries_total"), kFailuresHelp, {{"dependency", "redis"}})),
      postgres_failures_(
          r.AddCounter(Name("retries_total"), kFailuresHelp, {{"dependency", "postgres"}})),
      inbox_appended_(r.AddCounter(Name("inbox_appended_total"), "Entries appended to inboxes")),
      inbox_skipped_(r.AddCounter(Name("inbox_skipped_total"),
                                  "Entries not appended because the pod is gone")),
      sessions_swept_(r.AddCounter(Name("sessions_swept_total"), "Sessions of dead pods removed")),
      states_loaded_(r.AddCounter(Name("states_loaded_total"), "Device states read")),
      states_cached_(r.AddGauge(Name("states_cached"), "Device states in memory")) {
  r.AddGaugeFunction(Name("stream_lag_seconds"),
                     "Age of the oldest entry of the last transaction; 0 when nothing waits. While "
                     "Redis or PostgreSQL fails, at least for how long",
                     {{"worker", std::to_string(worker)}}, [this] { return LagSeconds(); });
}

void WorkerProbe::Committed(const Tally& tally, const CommitReport& report) {
  for (size_t kind = 0; kind < kMessageKinds; ++kind) messages_[kind]->Add(tally.messages[kind]);
  for (size_t reason = 0; reason < kRefusals; ++reason) {
    refusals_[reason]->Add(tally.refusals[reason]);
  }
  versions_.Add(tally.versions);
  unchanged_.Add(tally.unchanged);
  coalesced_.Add(tally.coalesced);
  shadow_loops_.Add(tally.shadow_loops);
  migrations_.Add(tally.migrations);
  values_lost_.Add(tally.values_lost);
  duplicate_batches_.Add(tally.duplicate_batches);
  duplicate_reports_.Add(tally.duplicate_reports);
  duplicate_events_.Add(tally.duplicate_events);
  stale_epochs_.Add(tally.stale_epochs);
  overtaken_.Add(tally.overtaken);
  went_online_.Add(tally.went_online);
  went_offline_.Add(tally.went_offline);
  fell_silent_.Add(tally.fell_silent);
  flaps_.Add(tally.flaps);
  transactions_.Increment();
  batch_messages_.Observe(static_cast<int64_t>(report.messages));
  batch_bytes_.Observe(static_cast<int64_t>(report.bytes));
  commit_seconds_.Observe(report.micros);
  lag_ms_.store(report.lag_ms, std::memory_order_relaxed);
  fails_since_us_.store(0, std::memory_order_relaxed);
}

void WorkerProbe::Idle() {
  lag_ms_.store(0, std::memory_order_relaxed);
  fails_since_us_.store(0, std::memory_order_relaxed);
}

double WorkerProbe::LagSeconds() const {
  const int64_t since_us = fails_since_us_.load(std::memory_order_relaxed);
  const int64_t failing_us = since_us == 0 ? 0 : MonotonicMicros() - since_us;
  return std::max(static_cast<double>(lag_ms_.load(std::memory_order_relaxed)) / 1e3,
                  static_cast<double>(failing_us) / 1e6);
}

void WorkerProbe::Fails() {
  int64_t never = 0;
  fails_since_us_.compare_exchange_strong(never, MonotonicMicros());
}

void WorkerProbe::Backlog(int64_t entries) { backlog_.Set(entries); }
void WorkerProbe::Rehearsed() { rehearsals_.Increment(); }
void WorkerProbe::Owns(size_t partitions) { partitions_.Set(static_cast<int64_t>(partitions)); }
void WorkerProbe::Fenced(size_t partitions) { fenced_.Add(partitions); }
void WorkerProbe::StalledEnded(int64_t connections) {
  stalled_.Add(static_cast<uint64_t>(connections));
}
void WorkerProbe::RedisFailed() {
  redis_failures_.Increment();
  Fails();
}
void WorkerProbe::PostgresFailed() {
  postgres_failures_.Increment();
  Fails();
}
void WorkerProbe::InboxAppended(size_t entries) { inbox_appended_.Add(entries); }
void WorkerProbe::InboxSkipped(size_t entries) { inbox_skipped_.Add(entries); }
void WorkerProbe::SessionsSwept(size_t sessions) { sessions_swept_.Add(sessions); }
void WorkerProbe::StatesLoaded(size_t devices) { states_loaded_.Add(devices); }
void WorkerProbe::StatesCached(size_t devices) {
  states_cached_.Set(static_cast<int64_t>(devices));
}

ServiceProbe::ServiceProbe(metrics::Registry& r)
    : registry_(r),
      partitions_(r.AddSharedGauge(Name("partitions"), "Uplink partitions of the deployment")),
      members_(r.AddSharedGauge(Name("members"), "Registry pods alive")),
      dead_pods_(r.AddSharedGauge(Name("dead_pods"), "Dead pods whose sessions are being removed")),
      fields_swept_(r.AddSharedCounter(Name("session_records_swept_total"),
                                       "Session records of dead pods removed from Redis")),
      redis_failures_(r.AddSharedCounter(Name("service_retries_total"), kFailuresHelp,
                                         {{"dependency", "redis"}})),
      postgres_failures_(r.AddSharedCounter(Name("service_retries_total"), kFailuresHelp,
                                            {{"dependency", "postgres"}})),
      reads_refused_(r.AddSharedCounter(Name("reads_refused_total"),
                                        "gRPC reads refused because api-reads-waiting-max waited")),
      exports_refused_(r.AddSharedCounter(Name("refusals_total"), kRefusalsHelp,
                                          {{"reason", "exports_unfinished_max"}})),
      exports_too_large_(r.AddSharedCounter(Name("refusals_total"), kRefusalsHelp,
                                            {{"reason", "export_devices_max"}})),
      late_answers_(r.AddSharedCounter(
          Name("late_answers_total"), "Answers to gRPC requests that nobody waited for any more")) {
  for (const char* table : {"telemetry", "event", "property_sample"}) {
    const metrics::Labels labels = {{"table", table}};
    history_.emplace(
        table,
        History{
            r.AddSharedCounter(Name("history_partitions_made_total"),
                               "Daily partitions of history made", labels),
            r.AddSharedCounter(Name("history_partitions_dropped_total"),
                               "Daily partitions of history dropped", labels),
            r.AddSharedCounter(Name("history_rows_dropped_total"),
                               "Rows of history dropped: those of partitions estimated", labels),
            r.AddSharedCounter(Name("history_rows_expired_total"),
                               "Rows of history deleted because their product keeps it for less",
                               labels),
            r.AddSharedGauge(Name("history_made_until_seconds"),
                             "Unix time up to which every day has its partition", labels),
            r.AddSharedGauge(Name("history_default_rows"), "Rows that no daily partition takes",
                             labels)});
  }
}

void ServiceProbe::Call(std::string_view method, int grpc_code) {
  absl::MutexLock lock(&mutex_);
  metrics::SharedCounter*& counter = calls_[{std::string(method), grpc_code}];
  if (counter == nullptr) {
    counter = &registry_.AddSharedCounter(
        Name("grpc_requests_total"), "gRPC requests answered, by method and status code",
        {{"method", std::string(method)}, {"code", std::to_string(grpc_code)}});
  }
  counter->Increment();
}

void ServiceProbe::Partitions(size_t partitions) {
  partitions_.Set(static_cast<int64_t>(partitions));
}
void ServiceProbe::Members(size_t members) { members_.Set(static_cast<int64_t>(members)); }
void ServiceProbe::DeadPods(size_t pods) { dead_pods_.Set(static_cast<int64_t>(pods)); }
void ServiceProbe::KeysSwept(size_t fields) { fields_swept_.Add(fields); }
void ServiceProbe::RedisFailed() { redis_failures_.Increment(); }
void ServiceProbe::PostgresFailed() { postgres_failures_.Increment(); }
void ServiceProbe::HistoryMade(std::string_view table, size_t partitions) {
  history_.find(table)->second.made.Add(partitions);
}
void ServiceProbe::HistoryDropped(std::string_view table, size_t partitions, int64_t rows) {
  history_.find(table)->second.dropped.Add(partitions);
  history_.find(table)->second.rows_dropped.Add(static_cast<uint64_t>(rows));
}
void ServiceProbe::HistoryExpired(std::string_view table, int64_t rows) {
  history_.find(table)->second.rows_expired.Add(static_cast<uint64_t>(rows));
}
void ServiceProbe::HistoryStands(std::string_view table, int64_t made_until_s,
                                 int64_t default_rows) {
  history_.find(table)->second.made_until.Set(made_until_s);
  history_.find(table)->second.default_rows.Set(default_rows);
}
void ServiceProbe::Provisioned(std::string_view outcome) {
  absl::MutexLock lock(&mutex_);
  metrics::SharedCounter*& counter = provisionings_[std::string(outcome)];
  if (counter == nullptr) {
    counter = &registry_.AddSharedCounter(Name("provisionings_total"),
                                          "Provisioning requests answered, by outcome",
                                          {{"outcome", std::string(outcome)}});
  }
  counter->Increment();
}
void ServiceProbe::ReadRefused() { reads_refused_.Increment(); }
void ServiceProbe::ExportRefused() { exports_refused_.Increment(); }
void ServiceProbe::ExportTooLarge() { exports_too_large_.Increment(); }
void ServiceProbe::LateAnswer() { late_answers_.Increment(); }

constexpr std::string_view kImportHelp = "Rows of imports worked off, by what became of them";
constexpr std::string_view kPurgedHelp = "Rows removed for their age, by kind";

CatalogProbe::CatalogProbe(metrics::Registry& r)
    : rows_imported_(
          r.AddSharedCounter(Name("import_rows_total"), kImportHelp, {{"outcome", "taken"}})),
      rows_failed_(
          r.AddSharedCounter(Name("import_rows_total"), kImportHelp, {{"outcome", "failed"}})),
      devices_exported_(
          r.AddSharedCounter(Name("export_devices_total"), "Devices that exports have stored")),
      devices_purged_(r.AddSharedCounter(Name("purged_total"), kPurgedHelp, {{"kind", "device"}})),
      answers_purged_(r.AddSharedCounter(Name("purged_total"), kPurgedHelp, {{"kind", "answer"}})),
      audit_purged_(r.AddSharedCounter(Name("purged_total"), kPurgedHelp, {{"kind", "audit"}})),
      operations_purged_(
          r.AddSharedCounter(Name("purged_total"), kPurgedHelp, {{"kind", "operation"}})) {}

void CatalogProbe::Imported(size_t rows, size_t failed) {
  rows_imported_.Add(rows);
  rows_failed_.Add(failed);
}
void CatalogProbe::Exported(size_t devices) { devices_exported_.Add(devices); }
void CatalogProbe::DevicesPurged(size_t rows) { devices_purged_.Add(rows); }
void CatalogProbe::AnswersPurged(size_t rows) { answers_purged_.Add(rows); }
void CatalogProbe::AuditPurged(size_t rows) { audit_purged_.Add(rows); }
void CatalogProbe::OperationsPurged(size_t rows) { operations_purged_.Add(rows); }

}  // namespace homeport::registry
