#include "services/registry/store/purge_table.h"

#include "libs/base/status.h"
#include "services/registry/core/producers.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kAnswers{
    "purge_answers",
    "DELETE FROM request_answer WHERE key IN (SELECT key FROM request_answer"
    " WHERE at < now() - $1::int8 * interval '1 hour' LIMIT $2::int8 FOR UPDATE SKIP LOCKED)"};
constexpr Statement kAudit{
    "purge_audit",
    "DELETE FROM audit WHERE (tenant, id) IN (SELECT tenant, id FROM audit"
    " WHERE at < now() - $1::int8 * interval '1 day' LIMIT $2::int8 FOR UPDATE SKIP LOCKED)"};
constexpr Statement kOperations{
    "purge_operations",
    "DELETE FROM operation WHERE (tenant, id) IN (SELECT tenant, id FROM operation"
    " WHERE kind <> 1 AND done AND updated_at < now() - $1::int8 * interval '1 day'"
    " LIMIT $2::int8 FOR UPDATE SKIP LOCKED)"};
constexpr Statement kExports{
    "purge_exports",
    "DELETE FROM operation WHERE (tenant, id) IN (SELECT tenant, id FROM operation"
    " WHERE kind = 1 AND done AND updated_at < now() - $1::int8 * interval '1 day'"
    " LIMIT $2::int8 FOR UPDATE SKIP LOCKED)"};
constexpr Statement kProducers{
    "purge_producers",
    "DELETE FROM stream_producer WHERE (partition, pod) IN (SELECT partition, pod"
    " FROM stream_producer WHERE heard_ms < date_part('epoch', now()) * 1000 - $1::int8"
    " LIMIT $2::int8 FOR UPDATE SKIP LOCKED)"};

absl::StatusOr<size_t> Purge(postgres::Connection& connection, const Statement& statement,
                             int64_t age, int64_t limit) {
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(statement, Params().Int8(age).Int8(limit)));
  return rows.affected();
}

}  // namespace

absl::StatusOr<size_t> PurgeAnswers(postgres::Connection& connection, int64_t hours,
                                    int64_t limit) {
  return Purge(connection, kAnswers, hours, limit);
}

absl::StatusOr<size_t> PurgeAudit(postgres::Connection& connection, int64_t days, int64_t limit) {
  return Purge(connection, kAudit, days, limit);
}

absl::StatusOr<size_t> PurgeOperations(postgres::Connection& connection, int64_t days,
                                       int64_t limit) {
  return Purge(connection, kOperations, days, limit);
}

absl::StatusOr<size_t> PurgeExports(postgres::Connection& connection, int64_t days, int64_t limit) {
  return Purge(connection, kExports, days, limit);
}

absl::StatusOr<size_t> PurgeProducers(postgres::Connection& connection, int64_t limit) {
  constexpr int64_t kHourMs = 3'600'000;
  return Purge(connection, kProducers, Producers::kForgetMs + kHourMs, limit);
}

}  // namespace homeport::registry
