#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/metrics/registry.h"
#include "services/registry/core/tally.h"

// Every metric of the registry; the names are in registry_probe.cc and nowhere else. Code calls
// verbs, not counters.
namespace homeport::registry {

// One transaction, as it ended.
struct CommitReport {
  size_t messages = 0;
  size_t bytes = 0;
  int64_t micros = 0;  // from decoding to the answer to COMMIT
  int64_t lag_ms = 0;  // age of its oldest entry when committed
};

// What one worker thread tells. Only that thread calls.
class WorkerProbe {
 public:
  WorkerProbe(metrics::Registry& registry, uint32_t worker);

  void Committed(const Tally& tally, const CommitReport& report);
  void Idle();  // nothing is waiting
  void Backlog(int64_t entries);
  void Rehearsed();  // a transaction in search of what PostgreSQL refuses
  void Owns(size_t partitions);
  void Fenced(size_t partitions);
  void StalledEnded(int64_t connections);  // of registries that kept PostgreSQL waiting
  void RedisFailed();
  void PostgresFailed();
  void InboxAppended(size_t entries);
  void InboxSkipped(size_t entries);  // the pod is gone
  void SessionsSwept(size_t sessions);
  void StatesLoaded(size_t devices);
  void StatesCached(size_t devices);

 private:
  void Fails();
  [[nodiscard]] double LagSeconds() const;

  std::array<metrics::Counter*, kMessageKinds> messages_;
  std::array<metrics::Counter*, kRefusals> refusals_;
  metrics::Counter& versions_;
  metrics::Counter& unchanged_;
  metrics::Counter& coalesced_;
  metrics::Counter& shadow_loops_;
  metrics::Counter& migrations_;
  metrics::Counter& values_lost_;
  metrics::Counter& duplicate_batches_;
  metrics::Counter& duplicate_reports_;
  metrics::Counter& duplicate_events_;
  metrics::Counter& stale_epochs_;
  metrics::Counter& overtaken_;
  metrics::Counter& went_online_;
  metrics::Counter& went_offline_;
  metrics::Counter& fell_silent_;
  metrics::Counter& flaps_;
  metrics::Counter& transactions_;
  metrics::Counter& rehearsals_;
  metrics::Histogram& batch_messages_;
  metrics::Histogram& batch_bytes_;
  metrics::Histogram& commit_seconds_;
  std::atomic<int64_t> lag_ms_{0};
  std::atomic<int64_t> fails_since_us_{0};  // monotonic; 0: it does not fail
  metrics::Gauge& backlog_;
  metrics::Gauge& partitions_;
  metrics::Counter& fenced_;
  metrics::Counter& stalled_;
  metrics::Counter& redis_failures_;
  metrics::Counter& postgres_failures_;
  metrics::Counter& inbox_appended_;
  metrics::Counter& inbox_skipped_;
  metrics::Counter& sessions_swept_;
  metrics::Counter& states_loaded_;
  metrics::Gauge& states_cached_;
};

// What the other threads tell. Thread-safe.
class ServiceProbe {
 public:
  explicit ServiceProbe(metrics::Registry& registry);

  void Call(std::string_view method, int grpc_code);
  void Partitions(size_t partitions);  // of the deployment
  void Members(size_t members);
  void DeadPods(size_t pods);
  void KeysSwept(size_t fields);
  void RedisFailed();
  void PostgresFailed();
  // Of the tables of history: what was made and dropped, and what is in the default partition.
  void HistoryMade(std::string_view table, size_t partitions);
  void HistoryDropped(std::string_view table, size_t partitions, int64_t rows);
  void HistoryExpired(std::string_view table, int64_t rows);  // for their product
  void HistoryStands(std::string_view table, int64_t made_until_s, int64_t default_rows);
  void Provisioned(std::string_view outcome);  // "accepted" or an error code of a fixed set
  void ReadRefused();                          // too many wait for PostgreSQL
  void ExportRefused();                        // too many of the tenant are unfinished
  void ExportTooLarge();                       // the tenant's exports hold too many devices
  void LateAnswer();                           // an ApiAnswer nobody waits for any more

 private:
  metrics::Registry& registry_;
  metrics::SharedGauge& partitions_;
  metrics::SharedGauge& members_;
  metrics::SharedGauge& dead_pods_;
  metrics::SharedCounter& fields_swept_;
  metrics::SharedCounter& redis_failures_;
  metrics::SharedCounter& postgres_failures_;
  metrics::SharedCounter& reads_refused_;
  metrics::SharedCounter& exports_refused_;
  metrics::SharedCounter& exports_too_large_;
  metrics::SharedCounter& late_answers_;
  struct History {
    metrics::SharedCounter& made;
    metrics::SharedCounter& dropped;
    metrics::SharedCounter& rows_dropped;
    metrics::SharedCounter& rows_expired;
    metrics::SharedGauge& made_until;
    metrics::SharedGauge& default_rows;
  };
  std::map<std::string, History, std::less<>> history_;  // by table
  absl::Mutex mutex_;
  std::map<std::pair<std::string, int>, metrics::SharedCounter*> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, metrics::SharedCounter*, std::less<>> provisionings_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::registry
