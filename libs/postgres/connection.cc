#include "libs/postgres/connection.h"

#include <pqxx/pqxx>
#include <set>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/result_rows.h"
#include "libs/postgres/sql_error.h"

namespace homeport::postgres {

class Connection::Impl {
 public:
  explicit Impl(const std::string& conninfo) : connection(conninfo), quiet_(connection) {
    // A lost connection is reported, not silently replaced by one without its session settings.
    // Deprecated because later versions of pqxx always behave so.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
  }

  void Prepare(const Statement& statement) {
    if (prepared_.insert(statement.name).second) connection.prepare(statement.name, statement.sql);
  }

  absl::Status Note(absl::Status status) {
    if (absl::IsUnavailable(status) || absl::IsInternal(status)) broken = true;
    return status;
  }

  pqxx::connection connection;
  bool broken = false;

 private:
  pqxx::quiet_errorhandler quiet_;  // every error is a status; nothing is printed
  std::set<std::string_view> prepared_;
};

namespace {

pqxx::result ExecutePrepared(pqxx::transaction_base& work, const Statement& statement,
                             const Params& params) {
  std::vector<pqxx::binarystring> values;
  values.reserve(params.values().size());
  for (const std::string& value : params.values()) values.emplace_back(value);
  return work.exec_prepared(statement.name, pqxx::prepare::make_dynamic_params(values));
}

std::string SettingsScript(const ConnectOptions& options) {
  std::string script = fmt::format(
      "SET statement_timeout = {}; SET bytea_output = 'hex'; SET client_encoding = 'UTF8';"
      "SET application_name = '{}';",
      options.statement_ms_max, options.application);
  std::string_view rest = options.settings;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    script += fmt::format("SET {};", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return script;
}

}  // namespace

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectOptions& options) {
  std::unique_ptr<Impl> impl;
  // Defaults go before keywords, the last of which counts; a URI is taken as it is.
  const bool uri = options.conninfo.find("://") != std::string::npos;
  const std::string conninfo = uri ? options.conninfo : "connect_timeout=5 " + options.conninfo;
  HP_RETURN_IF_ERROR(CatchSqlErrors("connect", [&] { impl = std::make_unique<Impl>(conninfo); }));
  auto connection = std::unique_ptr<Connection>(new Connection(std::move(impl)));
  HP_RETURN_IF_ERROR(connection->ExecuteScript(SettingsScript(options)));
  return connection;
}

absl::StatusOr<Result> Connection::Execute(const Statement& statement, const Params& params) {
  pqxx::result result;
  HP_RETURN_IF_ERROR(impl_->Note(CatchSqlErrors(statement.name, [&] {
    impl_->Prepare(statement);
    pqxx::nontransaction work(impl_->connection);
    result = ExecutePrepared(work, statement, params);
  })));
  return Result(std::make_unique<Result::Rows>(std::move(result)));
}

absl::Status Connection::ExecuteScript(std::string_view sql) {
  return impl_->Note(CatchSqlErrors("script", [&] {
    pqxx::nontransaction work(impl_->connection);
    work.exec(std::string(sql));
  }));
}

bool Connection::broken() const { return impl_->broken; }

class Transaction::Impl {
 public:
  explicit Impl(pqxx::connection& connection) : work(connection) {}
  pqxx::work work;
};

Transaction::Transaction(Connection& connection) : connection_(connection) {}
Transaction::~Transaction() = default;

absl::StatusOr<Result> Transaction::Execute(const Statement& statement, const Params& params) {
  pqxx::result result;
  HP_RETURN_IF_ERROR(connection_.impl_->Note(CatchSqlErrors(statement.name, [&] {
    connection_.impl_->Prepare(statement);
    if (!impl_) impl_ = std::make_unique<Impl>(connection_.impl_->connection);
    result = ExecutePrepared(impl_->work, statement, params);
  })));
  return Result(std::make_unique<Result::Rows>(std::move(result)));
}

absl::Status Transaction::ExecuteScript(std::string_view sql) {
  return connection_.impl_->Note(CatchSqlErrors("script", [&] {
    if (!impl_) impl_ = std::make_unique<Impl>(connection_.impl_->connection);
    impl_->work.exec(std::string(sql));
  }));
}

absl::Status Transaction::Commit() {
  if (!impl_) return absl::OkStatus();
  return connection_.impl_->Note(CatchSqlErrors("commit", [&] { impl_->work.commit(); }));
}

}  // namespace homeport::postgres
