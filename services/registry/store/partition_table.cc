#include "services/registry/store/partition_table.h"

#include <map>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kEnsure{"partitions_ensure",
                            "INSERT INTO stream_offset (partition) "
                            "SELECT generate_series(0, $1::int8 - 1) "
                            "WHERE NOT EXISTS (SELECT FROM stream_offset) ON CONFLICT DO NOTHING"};
constexpr Statement kCount{"partitions_count", "SELECT count(*) FROM stream_offset"};

constexpr Statement kAcquire{
    "partitions_acquire",
    "UPDATE stream_offset SET owner = $1::text, fence = fence + 1,"
    " lease_until = now() + $3::int8 * interval '1 ms' "
    "WHERE partition IN (SELECT partition FROM stream_offset"
    "  WHERE partition = ANY ($2::int8[])"
    "  AND (owner = '' OR owner = $1::text OR lease_until < now()) FOR UPDATE SKIP LOCKED) "
    "RETURNING partition, fence, generation, last_id, pending"};

// idle_in_transaction_session_timeout ends the others that their pods have forgotten.
constexpr Statement kEndStalled{
    "partitions_end_stalled",
    "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity "
    " WHERE datname = current_database() AND usename = current_user"
    " AND application_name = current_setting('application_name')"
    " AND state = 'active' AND wait_event = 'ClientRead'"
    " AND query_start < now() - $1::int8 * interval '1 ms' OFFSET 0) AS stalled WHERE ended"};

constexpr Statement kReload{
    "partitions_reload",
    "UPDATE stream_offset o SET fence = o.fence + 1 "
    "FROM unnest($2::int8[], $3::int8[]) AS u (partition, fence) "
    "WHERE o.partition = u.partition AND o.fence = u.fence AND o.owner = $1::text "
    "RETURNING o.partition, o.fence, generation, last_id, pending"};

constexpr Statement kProducers{"partitions_producers",
                               "SELECT u.partition, pod, sequence, heard_ms "
                               "FROM unnest($1::int8[]) AS u (partition) CROSS JOIN LATERAL"
                               " (SELECT * FROM stream_producer p WHERE p.partition = u.partition"
                               "  ORDER BY heard_ms DESC LIMIT $2::int8) AS newest"};

constexpr Statement kRenew{"partitions_renew",
                           "UPDATE stream_offset o "
                           "SET lease_until = now() + $4::int8 * interval '1 ms',"
                           " caught_up_ms = greatest(o.caught_up_ms, $5::int8) "
                           "FROM unnest($2::int8[], $3::int8[]) AS u (partition, fence) "
                           "WHERE o.partition = u.partition AND o.fence = u.fence "
                           "AND o.owner = $1::text RETURNING o.partition"};

constexpr Statement kRelease{
    "partitions_release",
    "UPDATE stream_offset o SET owner = '', lease_until = '-infinity',"
    " pending = CASE WHEN $4::bool THEN '' ELSE pending END "
    "FROM unnest($2::int8[], $3::int8[]) AS u (partition, fence) "
    "WHERE o.partition = u.partition AND o.fence = u.fence AND o.owner = $1::text"};

constexpr Statement kLock{"partitions_lock",
                          "SELECT u.at, generation FROM unnest($2::int8[], $3::int8[])"
                          " WITH ORDINALITY AS u (partition, fence, at) JOIN stream_offset o"
                          " ON o.partition = u.partition AND o.fence = u.fence "
                          "WHERE o.owner = $1::text FOR NO KEY UPDATE OF o"};

constexpr Statement kMove{
    "partitions_move",
    "WITH moved AS ("
    "UPDATE stream_offset o SET last_id = u.last_id,"
    " pending = u.pending, lease_until = now() + $1::int8 * interval '1 ms',"
    " caught_up_ms = greatest(o.caught_up_ms, split_part(u.last_id, '-', 1)::int8) "
    "FROM unnest($2::int8[], $3::text[], $4::bytea[]) AS u (partition, last_id, pending) "
    "WHERE o.partition = u.partition) "
    "INSERT INTO stream_producer (partition, pod, sequence, heard_ms)"
    " SELECT * FROM unnest($5::int8[], $6::text[], $7::int8[], $8::int8[])"
    " AS h (partition, pod, sequence, heard_ms) ORDER BY h.partition, h.pod "
    "ON CONFLICT (partition, pod) DO UPDATE SET sequence = excluded.sequence,"
    " heard_ms = excluded.heard_ms"};

constexpr Statement kRaise{"partitions_raise_generation",
                           "UPDATE stream_offset SET generation = generation + 1 "
                           "WHERE partition = $1::int8"};

struct KeyArrays {
  explicit KeyArrays(const std::vector<PartitionKey>& keys) {
    for (const PartitionKey& key : keys) {
      partitions.AddInt8(key.partition);
      fences.AddInt8(key.fence);
    }
  }
  Array partitions = Array::OfInt8();
  Array fences = Array::OfInt8();
};

// Behind the statement that has taken the rows, in its transaction: what their former owner has
// committed is seen, and it commits nothing any more.
absl::Status ReadProducers(postgres::Transaction& transaction, std::vector<PartitionRow>& rows) {
  if (rows.empty()) return absl::OkStatus();
  std::map<int64_t, ProducerMap> found;
  Array partitions = Array::OfInt8();
  for (const PartitionRow& row : rows) partitions.AddInt8(row.partition);
  HP_ASSIGN_OR_RETURN(
      const Result result,
      transaction.Execute(
          kProducers,
          Params().Add(std::move(partitions)).Int8(static_cast<int64_t>(Producers::kPodsMax))));
  for (size_t i = 0; i < result.size(); ++i) {
    found[result.Int8(i, 0)].emplace(
        result.Text(i, 1), Producer{static_cast<uint64_t>(result.Int8(i, 2)), result.Int8(i, 3)});
  }
  for (PartitionRow& row : rows) row.producers = Producers(std::move(found[row.partition]));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PartitionRow>> ReadRows(postgres::Transaction& transaction,
                                                   const Result& result) {
  std::vector<PartitionRow> rows;
  for (size_t i = 0; i < result.size(); ++i) {
    PartitionRow row;
    row.partition = static_cast<uint32_t>(result.Int8(i, 0));
    row.fence = result.Int8(i, 1);
    row.generation = result.Int8(i, 2);
    const auto last_id = ParseStreamId(result.Text(i, 3));
    if (!last_id) return absl::DataLossError("stream_offset.last_id is no stream id");
    row.last_id = *last_id;
    HP_ASSIGN_OR_RETURN(row.pending, Downlinks::Decode(result.Bytes(i, 4)));
    rows.push_back(std::move(row));
  }
  HP_RETURN_IF_ERROR(ReadProducers(transaction, rows));
  return rows;
}

}  // namespace

absl::Status PartitionTable::Ensure(postgres::Connection& connection, uint32_t partitions) {
  HP_RETURN_IF_ERROR(connection.Execute(kEnsure, Params().Int8(partitions)).status());
  HP_ASSIGN_OR_RETURN(const Result count, connection.Execute(kCount));
  if (count.Int8(0, 0) == partitions) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("this deployment was made with {} partitions, not {}; the number is fixed, as "
                  "another would reorder the messages of a device",
                  count.Int8(0, 0), partitions));
}

absl::StatusOr<std::vector<PartitionRow>> PartitionTable::Acquire(
    postgres::Connection& connection, const std::vector<uint32_t>& partitions) const {
  Array wanted = Array::OfInt8();
  for (const uint32_t partition : partitions) wanted.AddInt8(partition);
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(
      const Result result,
      transaction.Execute(kAcquire, Params().Text(pod_).Add(std::move(wanted)).Int8(lease_ms_)));
  HP_ASSIGN_OR_RETURN(std::vector<PartitionRow> rows, ReadRows(transaction, result));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return rows;
}

absl::StatusOr<int64_t> PartitionTable::EndStalled(postgres::Connection& connection) const {
  HP_ASSIGN_OR_RETURN(const Result result,
                      connection.Execute(kEndStalled, Params().Int8(lease_ms_)));
  return result.Int8(0, 0);
}

absl::StatusOr<std::vector<PartitionRow>> PartitionTable::Reload(
    postgres::Connection& connection, const std::vector<PartitionKey>& keys) const {
  KeyArrays arrays(keys);
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(
      const Result result,
      transaction.Execute(
          kReload,
          Params().Text(pod_).Add(std::move(arrays.partitions)).Add(std::move(arrays.fences))));
  HP_ASSIGN_OR_RETURN(std::vector<PartitionRow> rows, ReadRows(transaction, result));
  HP_RETURN_IF_ERROR(transaction.Commit());
  return rows;
}

absl::StatusOr<std::vector<uint32_t>> PartitionTable::Renew(postgres::Connection& connection,
                                                            const std::vector<PartitionKey>& keys,
                                                            int64_t caught_up_ms) const {
  KeyArrays arrays(keys);
  HP_ASSIGN_OR_RETURN(const Result result,
                      connection.Execute(kRenew, Params()
                                                     .Text(pod_)
                                                     .Add(std::move(arrays.partitions))
                                                     .Add(std::move(arrays.fences))
                                                     .Int8(lease_ms_)
                                                     .Int8(caught_up_ms)));
  std::vector<uint32_t> held;
  for (size_t i = 0; i < result.size(); ++i)
    held.push_back(static_cast<uint32_t>(result.Int8(i, 0)));
  return held;
}

absl::Status PartitionTable::Release(postgres::Connection& connection,
                                     const std::vector<PartitionKey>& keys,
                                     const ReleaseOptions& options) const {
  KeyArrays arrays(keys);
  return connection
      .Execute(kRelease, Params()
                             .Text(pod_)
                             .Add(std::move(arrays.partitions))
                             .Add(std::move(arrays.fences))
                             .Bool(options.sent))
      .status();
}

absl::StatusOr<std::vector<int64_t>> PartitionTable::Lock(
    postgres::Transaction& transaction, const std::vector<PartitionKey>& keys) const {
  KeyArrays arrays(keys);
  HP_ASSIGN_OR_RETURN(
      const Result result,
      transaction.Execute(
          kLock,
          Params().Text(pod_).Add(std::move(arrays.partitions)).Add(std::move(arrays.fences))));
  if (result.size() != keys.size()) {
    return ErrorWithReason(absl::StatusCode::kAborted, kFenced,
                           fmt::format("{} of {} partitions are no longer ours",
                                       keys.size() - result.size(), keys.size()));
  }
  std::vector<int64_t> generations(keys.size());
  for (size_t i = 0; i < result.size(); ++i) {
    generations[static_cast<size_t>(result.Int8(i, 0)) - 1] = result.Int8(i, 1);
  }
  return generations;
}

absl::Status PartitionTable::Move(postgres::Transaction& transaction,
                                  const std::vector<PartitionCommit>& commits) const {
  Array partitions = Array::OfInt8();
  Array last_ids = Array::OfText();
  Array pending = Array::OfBytes();
  Array heard_in = Array::OfInt8();
  Array pods = Array::OfText();
  Array sequences = Array::OfInt8();
  Array heard_ms = Array::OfInt8();
  for (const PartitionCommit& commit : commits) {
    partitions.AddInt8(commit.partition);
    last_ids.Add(ToText(commit.last_id));
    pending.Add(commit.pending);
    for (const auto& [pod, producer] : commit.heard) {
      heard_in.AddInt8(commit.partition);
      pods.Add(pod);
      sequences.AddInt8(static_cast<int64_t>(producer.sequence));
      heard_ms.AddInt8(producer.heard_ms);
    }
  }
  return transaction
      .Execute(kMove, Params()
                          .Int8(lease_ms_)
                          .Add(std::move(partitions))
                          .Add(std::move(last_ids))
                          .Add(std::move(pending))
                          .Add(std::move(heard_in))
                          .Add(std::move(pods))
                          .Add(std::move(sequences))
                          .Add(std::move(heard_ms)))
      .status();
}

absl::Status RaiseGeneration(postgres::Transaction& transaction, uint32_t partition) {
  return transaction.Execute(kRaise, Params().Int8(partition)).status();
}

absl::Status RaiseGeneration(postgres::Connection& connection, uint32_t partition) {
  return connection.Execute(kRaise, Params().Int8(partition)).status();
}

}  // namespace homeport::registry
