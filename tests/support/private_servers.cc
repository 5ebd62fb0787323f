#include "tests/support/private_servers.h"

#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "libs/base/check.h"
#include "libs/base/strings.h"
#include "libs/postgres/connection.h"
#include "libs/redis_blocking/client.h"

namespace homeport::testing {
namespace {

constexpr char kPostgresBin[] = "/usr/lib/postgresql/15/bin/";

// PostgreSQL refuses to run as root.
std::string PostgresUser() { return geteuid() == 0 ? "postgres" : ""; }

}  // namespace

TempFolder::TempFolder() {
  char name[] = "/tmp/homeport-XXXXXX";
  HP_CHECK(mkdtemp(name) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool Eventually(const std::function<bool()>& condition, int64_t within_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(within_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

PrivateRedis::PrivateRedis(Keeping keeping) : keeping_(keeping) { Start(); }

void PrivateRedis::Start() {
  process_ = std::make_unique<ChildProcess>(ChildProcess::Options{
      .command = {"redis-server", "--port", "0", "--unixsocket", address(), "--dir", folder_.path(),
                  "--appendonly", keeping_ == Keeping::kEverything ? "yes" : "no", "--appendfsync",
                  "always", "--save", "", "--maxmemory-policy", "noeviction"},
      .output = folder_.path() + "/log",
      .user = ""});
  redis_blocking::Client client({.address = address()});
  HP_CHECK(Eventually([&] {
    const auto pong = client.Call({"PING"});
    return pong.ok() && pong->text() == "PONG";
  }));
}

void PrivateRedis::Kill() {
  process_->End(SIGKILL);
  process_.reset();
}

void PrivateRedis::Freeze() { process_->Signal(SIGSTOP); }
void PrivateRedis::Thaw() { process_->Signal(SIGCONT); }

PrivatePostgres::PrivatePostgres() {
  if (const std::string user = PostgresUser(); !user.empty()) {
    const passwd* entry = getpwnam(user.c_str());
    HP_CHECK(entry != nullptr);
    HP_CHECK(chown(folder_.path().c_str(), entry->pw_uid, entry->pw_gid) == 0);
  }
  HP_CHECK(RunCommand({.command = {std::string(kPostgresBin) + "initdb", "-D",
                                   folder_.path() + "/data", "--no-sync", "-A", "trust", "-U",
                                   "postgres", "-E", "UTF8", "--locale=C"},
                       .output = folder_.path() + "/initdb.log",
                       .user = PostgresUser()}) == 0);
  Start();
}

// SIGQUIT stops it at once, but lets it give its shared memory back.
PrivatePostgres::~PrivatePostgres() {
  if (process_) process_->End(SIGQUIT);
}

// After a crash the new server refuses to start while processes of the old one are still ending.
void PrivatePostgres::Start() {
  const ChildProcess::Options server = {
      .command = {std::string(kPostgresBin) + "postgres", "-D", folder_.path() + "/data", "-c",
                  "listen_addresses=", "-c", "unix_socket_directories=" + folder_.path(), "-c",
                  "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=64MB"},
      .output = folder_.path() + "/log",
      .user = PostgresUser()};
  HP_CHECK(Eventually([&] {
    if (!process_ || !process_->Running()) process_ = std::make_unique<ChildProcess>(server);
    return Connect("postgres").ok();
  }));
}

void PrivatePostgres::Kill() {
  process_->End(SIGKILL);
  process_.reset();
}

void PrivatePostgres::Freeze() { process_->SignalFamily(SIGSTOP); }
void PrivatePostgres::Thaw() { process_->SignalFamily(SIGCONT); }

absl::StatusOr<std::unique_ptr<postgres::Connection>> PrivatePostgres::Connect(
    const std::string& database) const {
  return postgres::Connection::Open({.conninfo = conninfo(database), .application = "test"});
}

std::string PrivatePostgres::conninfo(const std::string& database) const {
  return fmt::format("host={} user=postgres dbname={}", folder_.path(), database);
}

std::string PrivatePostgres::NewDatabase() {
  const auto connection = Connect("postgres");
  HP_CHECK(connection.ok());
  std::string name = fmt::format("test_{}", ++databases_);
  HP_CHECK((*connection)->ExecuteScript("CREATE DATABASE " + name).ok());
  return name;
}

}  // namespace homeport::testing

// libpqxx 6.4 does not free the result of a statement that ends with an error.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:PQmakeEmptyPGresult"; }
