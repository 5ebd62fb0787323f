#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/downlinks.h"
#include "services/registry/core/producers.h"
#include "services/registry/core/stream_id.h"

// The tables stream_offset and stream_producer: who owns which uplink partition, how far it is
// consumed, and which batch of each gateway pod was the last one then. Owning is three things: the
// row names the pod, the pod's workers remember the row's fence, and every transaction of effects
// begins by requiring both to be still so. The lease only says when others may take over; a pod
// that lost it without noticing fails at its next transaction.
namespace homeport::registry {

struct PartitionRow {
  uint32_t partition = 0;
  int64_t fence = 0;
  int64_t generation = 0;
  StreamId last_id;
  Producers producers;
  Downlinks pending;
};

struct PartitionKey {
  uint32_t partition = 0;
  int64_t fence = 0;
};

// A commit of effects up to `last_id`.
struct PartitionCommit {
  uint32_t partition = 0;
  StreamId last_id;
  ProducerMap heard;  // in the entries up to there
  std::string pending;
};

class PartitionTable {
 public:
  PartitionTable(std::string pod, int64_t lease_ms) : pod_(std::move(pod)), lease_ms_(lease_ms) {}

  // Makes the rows of a new deployment. kFailedPrecondition: made for another number.
  [[nodiscard]] static absl::Status Ensure(postgres::Connection& connection, uint32_t partitions);

  // Those of `partitions` that were free, expired or ours are now ours, under a new fence.
  [[nodiscard]] absl::StatusOr<std::vector<PartitionRow>> Acquire(
      postgres::Connection& connection, const std::vector<uint32_t>& partitions) const;
  // Ends connections of registries that have begun a COPY more than a lease ago and do not send its
  // rows; returns how many. A pod that stands still there has its partitions locked, and no timeout
  // of PostgreSQL's ends that.
  [[nodiscard]] absl::StatusOr<int64_t> EndStalled(postgres::Connection& connection) const;
  // The rows of those still ours under the same fence, now under a new one: waits for a commit of
  // ours that is still under way on a connection we gave up, or makes it fail.
  [[nodiscard]] absl::StatusOr<std::vector<PartitionRow>> Reload(
      postgres::Connection& connection, const std::vector<PartitionKey>& keys) const;
  // Extends the leases; returns the partitions that are still ours. `caught_up_ms`: when (Unix ms)
  // they were last seen to be consumed to their ends; readers judge by it how old a state may be.
  [[nodiscard]] absl::StatusOr<std::vector<uint32_t>> Renew(postgres::Connection& connection,
                                                            const std::vector<PartitionKey>& keys,
                                                            int64_t caught_up_ms) const;
  // Frees those that are ours. `sent`: their pending downlinks have been delivered.
  struct ReleaseOptions {
    bool sent = false;
  };
  [[nodiscard]] absl::Status Release(postgres::Connection& connection,
                                     const std::vector<PartitionKey>& keys,
                                     const ReleaseOptions& options) const;

  // First statement of a transaction of effects: locks the rows, and returns the generation of each
  // in the order of `keys`. kAborted with the reason kFenced unless all are still ours.
  [[nodiscard]] absl::StatusOr<std::vector<int64_t>> Lock(
      postgres::Transaction& transaction, const std::vector<PartitionKey>& keys) const;
  static constexpr std::string_view kFenced = "FENCED";
  // Moves rows on that the transaction has locked, and keeps what was heard of pods.
  [[nodiscard]] absl::Status Move(postgres::Transaction& transaction,
                                  const std::vector<PartitionCommit>& commits) const;

 private:
  const std::string pod_;
  const int64_t lease_ms_;
};

// Tells the owner of `partition` that a row it may have cached was changed by someone else: it
// waits for the owner's running transaction, and the next one reads the partition's devices anew.
// First statement of the transaction that makes the change, as the owner's transactions lock in the
// same order.
[[nodiscard]] absl::Status RaiseGeneration(postgres::Transaction& transaction, uint32_t partition);
// The same behind a change that has been made.
[[nodiscard]] absl::Status RaiseGeneration(postgres::Connection& connection, uint32_t partition);

}  // namespace homeport::registry
