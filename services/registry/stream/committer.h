#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/apply.h"
#include "services/registry/provisioning/queue.h"
#include "services/registry/registry_probe.h"
#include "services/registry/store/catalog.h"
#include "services/registry/store/partition_table.h"
#include "services/registry/stream/batch.h"
#include "services/registry/stream/fights.h"
#include "services/registry/stream/state_cache.h"

namespace homeport::registry {

// A partition as its owning worker knows it after the last commit.
struct OwnedPartition {
  PartitionKey key;
  int64_t generation = 0;
  StreamId last_id;
  Producers producers;
};
using OwnedPartitions = std::map<uint32_t, OwnedPartition>;

// Turns a batch into one transaction: reads the states it lacks, applies every message in order,
// writes the effects and the offsets. Borrows everything in Parts. One thread.
class Committer {
 public:
  struct Parts {
    const Clock& clock;
    Catalog& catalog;
    const PartitionTable& table;
    WorkerProbe& probe;
    ConsumerLimits limits;
    uint32_t partitions = 0;               // of the deployment
    size_t devices_max = 0;                // in the cache
    size_t downlink_bytes_max = 4 << 20;   // of a transaction: entries beyond go into the next
    size_t property_bytes_max = 8 << 20;   // of their history, the same
    ProvisionQueue* provisions = nullptr;  // borrowed; without one such requests are rejected
  };
  explicit Committer(const Parts& parts);

  // On success `owned` has moved on and `downlinks` is what to send now. Entries that did not fit
  // are left to the caller: batch.entries() from `*applied` on. After a failure nothing in memory
  // is to be trusted: Forget(), and read `owned` anew (the COMMIT may have succeeded). kAborted
  // with the reason kFenced: a partition is no longer ours.
  [[nodiscard]] absl::Status Commit(postgres::Connection& connection, Batch& batch,
                                    OwnedPartitions& owned, size_t* applied, Downlinks* downlinks);

  // As Commit up to the last statement, then rolled back: tells whether PostgreSQL takes what the
  // batch says. Nothing in memory is to be trusted afterwards, as after a failure.
  [[nodiscard]] absl::Status Rehearse(postgres::Connection& connection, Batch& batch,
                                      OwnedPartitions& owned);

  void Forget() { cache_.Clear(); }
  void ForgetPartition(uint32_t partition) { cache_.DropPartition(partition); }

 private:
  struct Run;  // one transaction in the making

  // All but the COMMIT.
  [[nodiscard]] absl::Status Make(postgres::Transaction& transaction, Batch& batch,
                                  OwnedPartitions& owned, Run& run);
  [[nodiscard]] absl::Status Lock(postgres::Transaction& transaction, const Batch& batch,
                                  OwnedPartitions& owned);
  void Prepare(Batch& batch, Run& run);
  void PrepareEntry(Batch::Entry& entry, Run& run);
  [[nodiscard]] DeviceState* StateOf(const internal::v1::UplinkMessage& message, uint32_t partition,
                                     Run& run);
  [[nodiscard]] absl::Status Load(postgres::Transaction& transaction, Batch& batch, Run& run);
  void Apply(const Batch& batch, const OwnedPartitions& owned, Run& run);
  void ApplyEntry(const Batch::Entry& entry, size_t first_message, Run& run);
  void ApplyMessageOf(const Batch::Entry& entry, size_t index, DeviceState* state, Run& run);
  [[nodiscard]] absl::Status Write(postgres::Transaction& transaction, Run& run);
  void Finish(const Batch& batch, OwnedPartitions& owned, Run& run, Downlinks* downlinks);
  void HandOver(const ProvisionRow& row, Tally& tally, Downlinks& downlinks) const;

  const Parts parts_;
  StateCache cache_;
  Fights fights_;
};

}  // namespace homeport::registry
