#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/base/heartbeat.h"
#include "libs/postgres/connection.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/backoff.h"
#include "services/registry/registry_probe.h"
#include "services/registry/shared_view.h"
#include "services/registry/store/catalog.h"
#include "services/registry/store/partition_table.h"
#include "services/registry/stream/batch.h"
#include "services/registry/stream/committer.h"
#include "services/registry/stream/isolation.h"
#include "services/registry/stream/outbox.h"
#include "services/registry/stream/uplink_reader.h"

namespace homeport::registry {

struct WorkerOptions {
  std::string pod;
  uint32_t index = 0;    // of `workers` in this process: it takes the partitions p with
  uint32_t workers = 1;  // p mod workers = index
  uint32_t partitions = 64;
  int64_t lease_ms = 10'000;
  int64_t pod_lease_ms = 10'000;   // of gateways
  int64_t commit_interval_ms = 5;  // no transaction starts sooner after the one before
  size_t devices_max = 50'000;     // states in memory
  Batch::Limits batch;
  ConsumerLimits consumer;
  postgres::ConnectOptions postgres;
  redis_blocking::ClientOptions redis;
};

// One thread that owns a share of the uplink partitions and consumes them: read from Redis, commit
// to PostgreSQL, send down, again. It never gives up: a lost Redis or PostgreSQL is retried with
// back-off, from what PostgreSQL says was committed.
class Worker {
 public:
  struct Parts {
    const Clock& clock;
    metrics::Registry& metrics;
    Catalog& catalog;
    const PartitionView& wanted;           // what this pod should own
    const PodView& dead_pods;              // whose sessions are to be removed
    ProvisionQueue* provisions = nullptr;  // as Committer::Parts
  };
  Worker(WorkerOptions options, const Parts& parts);
  ~Worker();  // as Stop
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  // Ends after the transaction under way and gives the partitions back. Any thread.
  void Stop();
  // Beats with each step and each transaction.
  [[nodiscard]] const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  void Run();
  [[nodiscard]] absl::Status Step();
  void Failed(const absl::Status& status);

  // Ownership: PostgreSQL.
  [[nodiscard]] absl::Status EnsureDatabase();
  [[nodiscard]] absl::Status Resync();
  [[nodiscard]] absl::Status UpdateOwnership();
  [[nodiscard]] absl::Status ReleaseUnwanted(const std::set<uint32_t>& wanted);
  [[nodiscard]] absl::Status AcquireMissing(const std::set<uint32_t>& wanted);
  [[nodiscard]] absl::Status EndStalled();
  [[nodiscard]] absl::Status RenewLeases();
  void Own(PartitionRow row);
  void Disown(uint32_t partition);
  void ReleaseAll();
  [[nodiscard]] std::set<uint32_t> Wanted() const;
  [[nodiscard]] std::vector<PartitionKey> Keys() const;

  // Exchange with Redis: downlinks out, trims, uplinks in, in one round trip.
  [[nodiscard]] absl::Status Exchange();
  [[nodiscard]] absl::StatusOr<std::vector<uint32_t>> SendTrims();
  [[nodiscard]] absl::Status ReceiveTrims(const std::vector<uint32_t>& trimmed);

  [[nodiscard]] absl::Status CommitNext();
  [[nodiscard]] int64_t BlockMs() const;     // how long a read may wait for what comes
  [[nodiscard]] int64_t CommitWait() const;  // ms; what is read may wait so long for company
  [[nodiscard]] absl::Status CommitOrRehearse();
  [[nodiscard]] absl::Status CommitBatch(Batch& batch);
  void LeaveOut(Batch::Entry& entry) const;
  void Isolate(const Batch& batch);
  [[nodiscard]] absl::Status Rehearse(Batch& batch, Isolation& isolation);
  [[nodiscard]] absl::Status SweepDeadPods();
  [[nodiscard]] absl::Status CheckPresence();

  struct Trim {
    bool due = false;
    MonoMs done;
    int64_t entries = 0;  // left in the stream at the last trim
  };

  const WorkerOptions options_;
  const Parts parts_;
  WorkerProbe probe_;
  Heartbeat heartbeat_;
  PartitionTable table_;
  Committer committer_;
  Outbox outbox_;
  UplinkReader reader_;
  redis_blocking::Client redis_;
  std::unique_ptr<postgres::Connection> postgres_;
  OwnedPartitions owned_;
  std::map<uint32_t, Trim> trims_;
  int64_t caught_up_ms_ = 0;  // when, on the wall clock, no uplink was left
  bool in_doubt_ = false;     // owned_ may differ from the table: Resync before anything else
  int careful_ = 0;           // so many transactions of one entry each
  std::map<uint32_t, Isolation> isolations_;  // the entry of each partition that is being searched
  MonoMs acquire_at_, renew_at_, sweep_at_, check_at_;
  MonoMs commit_at_, patient_until_;  // no transaction sooner; … for what nobody waits for
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
