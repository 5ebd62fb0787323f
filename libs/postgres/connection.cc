#include "libs/postgres/connection.h"

#include <poll.h>

#include <functional>
#include <pqxx/pqxx>
#include <set>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/copy_in.h"
#include "libs/postgres/result_rows.h"
#include "libs/postgres/sql_error.h"

namespace homeport::postgres {

class Connection::Impl {
 public:
  Impl(const std::string& conninfo, const ConnectOptions& options)
      : connection(conninfo),
        answer_ms_max_(options.answer_ms_max),
        watchdog_(options.watchdog),
        quiet_(connection) {
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

  // Runs what waits for the server, for so long only.
  absl::Status Ask(std::string_view what, const std::function<void()>& body) {
    const Watchdog::Watch watch(watchdog_, connection.sock(), answer_ms_max_);
    absl::Status status = CatchSqlErrors(what, body);
    const bool is_lock = ReasonOf(status) == kLockTimeout;
    if (!is_lock && (absl::IsUnavailable(status) || absl::IsInternal(status))) broken = true;
    return status;
  }

  pqxx::connection connection;
  bool broken = false;

 private:
  const int64_t answer_ms_max_;
  Watchdog* const watchdog_;
  pqxx::quiet_errorhandler quiet_;  // every error is a status; nothing is printed
  std::set<std::string_view> prepared_;
};

namespace {

std::vector<pqxx::binarystring> Values(const Params& params) {
  std::vector<pqxx::binarystring> values;
  values.reserve(params.values().size());
  for (const std::string& value : params.values()) values.emplace_back(value);
  return values;
}

pqxx::result ExecutePrepared(pqxx::transaction_base& work, const Statement& statement,
                             const Params& params) {
  return work.exec_prepared(statement.name, pqxx::prepare::make_dynamic_params(Values(params)));
}

std::string SettingsScript(const ConnectOptions& options) {
  std::string script = fmt::format(
      "SET statement_timeout = {0}; SET lock_timeout = {0};"
      "SET idle_in_transaction_session_timeout = {1}; SET client_connection_check_interval = 1000;"
      "SET bytea_output = 'hex'; SET client_encoding = 'UTF8'; SET application_name = '{2}';",
      options.statement_ms_max, options.answer_ms_max, options.application);
  std::string_view rest = options.settings;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    script += fmt::format("SET {};", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return script;
}

// Defaults that `conninfo` may override: bounds on what libpq and the kernel wait for. Keywords go
// before those given, the last of which counts; a URI with a connect_timeout is taken as it is.
std::string WithBounds(const ConnectOptions& options) {
  const std::string& given = options.conninfo;
  const bool uri = given.find("://") != std::string::npos;
  const char* separator = uri ? "&" : " ";
  const std::string bounds = fmt::format(
      "connect_timeout={1}{0}keepalives_idle=10{0}keepalives_interval=5{0}keepalives_count=3{0}"
      "tcp_user_timeout={2}",
      separator, options.connect_s_max, options.answer_ms_max);
  if (!uri) return fmt::format("{} {}", bounds, given);
  if (given.find("connect_timeout=") != std::string::npos) return given;
  return fmt::format("{}{}{}", given, given.find('?') == std::string::npos ? '?' : '&', bounds);
}

}  // namespace

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectOptions& options) {
  std::unique_ptr<Impl> impl;
  const std::string conninfo = WithBounds(options);
  HP_RETURN_IF_ERROR(
      CatchSqlErrors("connect", [&] { impl = std::make_unique<Impl>(conninfo, options); }));
  auto connection = std::unique_ptr<Connection>(new Connection(std::move(impl)));
  HP_RETURN_IF_ERROR(connection->ExecuteScript(SettingsScript(options)));
  return connection;
}

absl::StatusOr<Result> Connection::Execute(const Statement& statement, const Params& params) {
  pqxx::result result;
  HP_RETURN_IF_ERROR(impl_->Ask(statement.name, [&] {
    impl_->Prepare(statement);
    pqxx::nontransaction work(impl_->connection);
    result = ExecutePrepared(work, statement, params);
  }));
  return Result(std::make_unique<Result::Rows>(std::move(result)));
}

absl::StatusOr<Result> Connection::Query(const std::string& sql, const Params& params) {
  pqxx::result result;
  HP_RETURN_IF_ERROR(impl_->Ask("query", [&] {
    pqxx::nontransaction work(impl_->connection);
    result = work.exec_params(sql, pqxx::prepare::make_dynamic_params(Values(params)));
  }));
  return Result(std::make_unique<Result::Rows>(std::move(result)));
}

absl::Status Connection::ExecuteScript(std::string_view sql) {
  return impl_->Ask("script", [&] {
    pqxx::nontransaction work(impl_->connection);
    work.exec(std::string(sql));
  });
}

bool Connection::broken() const { return impl_->broken; }

// Nothing is owed to an idle connection: anything to read is a farewell, or the end.
bool Connection::WasClosed() const {
  pollfd wanted{.fd = impl_->connection.sock(), .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, 0) != 0;
}

class Transaction::Impl {
 public:
  explicit Impl(pqxx::connection& connection) : work(connection) {}
  pqxx::work work;
};

Transaction::Transaction(Connection& connection) : connection_(connection) {}

// A rollback waits for the server too.
Transaction::~Transaction() {
  if (impl_) (void)connection_.impl_->Ask("rollback", [&] { impl_.reset(); });
}

absl::StatusOr<Result> Transaction::Execute(const Statement& statement, const Params& params) {
  pqxx::result result;
  HP_RETURN_IF_ERROR(connection_.impl_->Ask(statement.name, [&] {
    connection_.impl_->Prepare(statement);
    if (!impl_) impl_ = std::make_unique<Impl>(connection_.impl_->connection);
    result = ExecutePrepared(impl_->work, statement, params);
  }));
  return Result(std::make_unique<Result::Rows>(std::move(result)));
}

absl::Status Transaction::Copy(const Statement& statement, CopyRows& rows) {
  if (rows.empty()) return absl::OkStatus();
  return connection_.impl_->Ask(statement.name, [&] {
    if (!impl_) impl_ = std::make_unique<Impl>(connection_.impl_->connection);
    CopyIn(impl_->work, statement, rows.Finish());
  });
}

absl::Status Transaction::ExecuteScript(std::string_view sql) {
  return connection_.impl_->Ask("script", [&] {
    if (!impl_) impl_ = std::make_unique<Impl>(connection_.impl_->connection);
    impl_->work.exec(std::string(sql));
  });
}

absl::Status Transaction::Commit() {
  if (!impl_) return absl::OkStatus();
  return connection_.impl_->Ask("commit", [&] { impl_->work.commit(); });
}

}  // namespace homeport::postgres
