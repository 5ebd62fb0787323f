#include "libs/postgres/copy_in.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <string>

namespace homeport::postgres {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;

// The one door of pqxx to the connection below it.
class Handle : public pqxx::largeobject {
 public:
  static PGconn* Of(const pqxx::dbtransaction& work) { return raw_connection(work); }
};

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, Clear>;

[[noreturn]] void Throw(const PGresult* result, const Statement& statement) {
  throw pqxx::sql_error(PQresultErrorMessage(result), statement.sql,
                        PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

void Begin(PGconn* connection, const Statement& statement) {
  const ResultPtr begun(PQexec(connection, statement.sql));
  if (PQresultStatus(begun.get()) != PGRES_COPY_IN) Throw(begun.get(), statement);
}

// What the server says at the end, read to its end.
void End(PGconn* connection, const Statement& statement) {
  ResultPtr failed;
  while (ResultPtr result{PQgetResult(connection)}) {
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK && !failed) failed = std::move(result);
  }
  if (failed) Throw(failed.get(), statement);
}

}  // namespace

void CopyIn(const pqxx::dbtransaction& work, const Statement& statement, std::string_view data) {
  PGconn* const connection = Handle::Of(work);
  Begin(connection, statement);
  while (!data.empty()) {
    const size_t size = std::min(data.size(), kChunkBytes);
    if (PQputCopyData(connection, data.data(), static_cast<int>(size)) != 1) {
      throw pqxx::broken_connection(PQerrorMessage(connection));
    }
    data.remove_prefix(size);
  }
  if (PQputCopyEnd(connection, nullptr) != 1) {
    throw pqxx::broken_connection(PQerrorMessage(connection));
  }
  End(connection, statement);
}

}  // namespace homeport::postgres
