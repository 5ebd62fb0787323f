#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/postgres/copy_rows.h"
#include "libs/postgres/params.h"
#include "libs/postgres/result.h"
#include "libs/postgres/watchdog.h"

namespace homeport::postgres {

// A statement, written once as a constant; prepared on each connection at its first use. `name` is
// unique among the statements of a process.
struct Statement {
  const char* name;
  const char* sql;
};

struct ConnectOptions {
  std::string conninfo;               // libpq connection string
  std::string application;            // shown in pg_stat_activity; [A-Za-z0-9._-]
  int64_t statement_ms_max = 30'000;  // the server ends a statement, or a wait for a lock; 0: never
  // A server that does not answer a statement in so long is taken for lost: the connection breaks.
  // Needs `watchdog`, borrowed; without one only dead servers are noticed, not frozen ones.
  int64_t answer_ms_max = 35'000;
  Watchdog* watchdog = nullptr;
  int64_t connect_s_max = 5;  // whole seconds, at least 2: libpq rounds
  // Extra settings of the session, "name=value" separated by semicolons: `a=on;b=off`.
  std::string settings{};
};

// One connection to PostgreSQL. Blocking; one thread at a time. Once broken() it stays so: make a
// new one. Statuses are those of sql_error.h.
class Connection {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Connection>> Open(
      const ConnectOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Executes one statement in a transaction of its own.
  [[nodiscard]] absl::StatusOr<Result> Execute(const Statement& statement,
                                               const Params& params = {});
  // The same for a statement that is made when it is needed; it is planned each time.
  [[nodiscard]] absl::StatusOr<Result> Query(const std::string& sql, const Params& params = {});
  // Executes plain SQL text, several statements too, in a transaction of its own.
  [[nodiscard]] absl::Status ExecuteScript(std::string_view sql);
  [[nodiscard]] bool broken() const;
  // Whether an idle connection has news from the server: it was closed. A server that vanished
  // without a word is only noticed when asked.
  [[nodiscard]] bool WasClosed() const;

 private:
  friend class Transaction;
  class Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A transaction, from construction to Commit() or, without it, rolled back at destruction.
// Borrows the connection. After an error only destruction is allowed.
class Transaction {
 public:
  explicit Transaction(Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  [[nodiscard]] absl::StatusOr<Result> Execute(const Statement& statement,
                                               const Params& params = {});
  // Runs a `COPY … FROM STDIN (FORMAT binary)`; nothing for no rows. Finishes `rows`.
  [[nodiscard]] absl::Status Copy(const Statement& statement, CopyRows& rows);
  [[nodiscard]] absl::Status ExecuteScript(std::string_view sql);
  // kUnavailable may mean committed, or still to be: a server that was frozen may carry the COMMIT
  // out after it was given up here. The caller must look, under a lock the transaction would hold,
  // before it repeats.
  [[nodiscard]] absl::Status Commit();

 private:
  class Impl;
  Connection& connection_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace homeport::postgres
