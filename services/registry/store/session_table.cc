#include "services/registry/store/session_table.h"

#include <utility>

#include "libs/base/status.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kOfPods{"sessions_of_pods",
                            "SELECT device, client, pod, session, epoch, partition "
                            "FROM device_session WHERE pod = ANY ($1::text[]) "
                            "AND partition = ANY ($2::int8[]) AND since_ms < $3::int8 "
                            "LIMIT $4::int8"};
constexpr Statement kOfDevice{"sessions_of_device",
                              "SELECT device, client, pod, session, epoch, partition "
                              "FROM device_session WHERE device = $1::text"};
constexpr Statement kPods{
    "pods_with_sessions",
    "WITH RECURSIVE pods AS (SELECT min(pod) AS pod FROM device_session UNION ALL"
    " SELECT (SELECT min(pod) FROM device_session s WHERE s.pod > pods.pod) FROM pods"
    " WHERE pods.pod IS NOT NULL) SELECT pod FROM pods WHERE pod IS NOT NULL"};

std::vector<StoredSession> ReadSessions(const Result& rows) {
  std::vector<StoredSession> sessions;
  for (size_t i = 0; i < rows.size(); ++i) {
    sessions.push_back({.device = std::string(rows.Text(i, 0)),
                        .client = std::string(rows.Text(i, 1)),
                        .pod = std::string(rows.Text(i, 2)),
                        .session = static_cast<uint64_t>(rows.Int8(i, 3)),
                        .epoch = static_cast<uint64_t>(rows.Int8(i, 4)),
                        .partition = static_cast<uint32_t>(rows.Int8(i, 5))});
  }
  return sessions;
}

}  // namespace

absl::StatusOr<std::vector<StoredSession>> FindSessionsOf(
    postgres::Connection& connection, const std::set<std::string>& pods,
    const std::vector<PartitionKey>& partitions, int64_t since_before_ms, size_t limit) {
  Array names = Array::OfText(), keys = Array::OfInt8();
  for (const std::string& pod : pods) names.Add(pod);
  for (const PartitionKey& key : partitions) keys.AddInt8(key.partition);
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kOfPods, Params()
                                                      .Add(std::move(names))
                                                      .Add(std::move(keys))
                                                      .Int8(since_before_ms)
                                                      .Int8(static_cast<int64_t>(limit))));
  return ReadSessions(rows);
}

absl::StatusOr<std::vector<StoredSession>> FindSessionsOfDevice(postgres::Connection& connection,
                                                                const std::string& device) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kOfDevice, Params().Text(device)));
  return ReadSessions(rows);
}

absl::StatusOr<std::set<std::string>> PodsWithSessions(postgres::Connection& connection) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kPods));
  std::set<std::string> pods;
  for (size_t i = 0; i < rows.size(); ++i) pods.emplace(rows.Text(i, 0));
  return pods;
}

}  // namespace homeport::registry
