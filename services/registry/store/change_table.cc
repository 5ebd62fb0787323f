#include "services/registry/store/change_table.h"

#include <utility>

#include "libs/base/status.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

// Any constant, the same in every process: "changes" in ASCII.
constexpr int64_t kAdvisoryKey = 0x6368616e676573;

constexpr Statement kLock{"change_lock", "SELECT pg_advisory_xact_lock($1::int8)"};
constexpr Statement kInsert{"change_insert",
                            "INSERT INTO directory_change (kind, name, credential, revoked) "
                            "VALUES ($1::int8, $2::text, $3::text, $4::bool)"};
constexpr Statement kInsertMany{
    "change_insert_many",
    "INSERT INTO directory_change (kind, name, credential, revoked) "
    "SELECT $1::int8, u.id, '', $2::bool FROM unnest($3::text[]) AS u (id)"};
// The newest of them stays: it tells those who know it that they have missed nothing. Bounded, as
// others wait for the lock: a backlog goes with the changes that follow.
constexpr Statement kPrune{
    "change_prune",
    "DELETE FROM directory_change WHERE id IN (SELECT id FROM directory_change WHERE id < "
    "(SELECT id FROM directory_change WHERE at < now() - interval '7 days'"
    " ORDER BY at DESC LIMIT 1) ORDER BY id LIMIT 2000)"};
constexpr Statement kList{"change_list",
                          "SELECT id, kind::int8, name, credential, revoked FROM directory_change "
                          "WHERE id > $1::int8 ORDER BY id LIMIT $2::int8"};
// The sequence tells the newest number also where every row is pruned.
constexpr Statement kBounds{"change_bounds",
                            "SELECT coalesce((SELECT min(id) FROM directory_change), 0),"
                            " coalesce((SELECT max(id) FROM directory_change),"
                            " (SELECT coalesce(last_value, 0) FROM pg_sequences"
                            "  WHERE sequencename = 'directory_change_id_seq' LIMIT 1), 0)"};

absl::Status Begin(postgres::Transaction& transaction) {
  HP_RETURN_IF_ERROR(transaction.Execute(kLock, Params().Int8(kAdvisoryKey)).status());
  return transaction.Execute(kPrune).status();
}

absl::Status NoteMany(postgres::Transaction& transaction, DirectoryChange::Kind kind,
                      const std::vector<std::string_view>& names, bool revoked) {
  HP_RETURN_IF_ERROR(Begin(transaction));
  postgres::Array list = postgres::Array::OfText();
  for (const std::string_view name : names) list.Add(name);
  return transaction.Execute(kInsertMany, Params().Int8(kind).Bool(revoked).Add(std::move(list)))
      .status();
}

}  // namespace

absl::Status NoteDevices(postgres::Transaction& transaction,
                         const std::vector<std::string_view>& devices) {
  return NoteMany(transaction, DirectoryChange::KIND_DEVICE, devices, false);
}

absl::Status NoteRevokedCertificates(postgres::Transaction& transaction,
                                     const std::vector<std::string_view>& ids) {
  return NoteMany(transaction, DirectoryChange::KIND_CERTIFICATE, ids, true);
}

absl::Status NoteChange(postgres::Transaction& transaction, const DirectoryChange& change) {
  HP_RETURN_IF_ERROR(Begin(transaction));
  return transaction
      .Execute(kInsert, Params()
                            .Int8(change.kind())
                            .Text(change.name())
                            .Text(change.credential())
                            .Bool(change.revoked()))
      .status();
}

absl::StatusOr<Changes> ListChanges(postgres::Connection& connection, int64_t after,
                                    int64_t limit) {
  Changes changes;
  HP_ASSIGN_OR_RETURN(const Result bounds, connection.Execute(kBounds));
  changes.last = bounds.Int8(0, 1);
  if (after < 0 || after == changes.last) return changes;
  if (after > changes.last) {  // of a database that was restored since
    changes.complete = false;
    return changes;
  }
  changes.complete = bounds.Int8(0, 0) != 0 && bounds.Int8(0, 0) <= after + 1;
  HP_ASSIGN_OR_RETURN(const Result rows,
                      connection.Execute(kList, Params().Int8(after).Int8(limit)));
  for (size_t i = 0; i < rows.size(); ++i) {
    DirectoryChange change;
    change.set_number(rows.Int8(i, 0));
    change.set_kind(static_cast<DirectoryChange::Kind>(rows.Int8(i, 1)));
    change.set_name(std::string(rows.Text(i, 2)));
    change.set_credential(std::string(rows.Text(i, 3)));
    change.set_revoked(rows.Bool(i, 4));
    changes.changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace homeport::registry
