#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "tests/support/child_process.h"

namespace homeport::testing {

// A folder under /tmp that lives as long as the object. Short, as socket paths must be.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Polls `condition` every few milliseconds until it holds; false when it did not within the time.
[[nodiscard]] bool Eventually(const std::function<bool()>& condition, int64_t within_ms = 15'000);

// A Redis of the test's own on a unix socket.
class PrivateRedis {
 public:
  enum class Keeping : uint8_t {
    kEverything,  // on disk before it answers: as durable as Homeport asks for
    kNothing,
  };
  explicit PrivateRedis(Keeping keeping = Keeping::kEverything);  // started

  [[nodiscard]] std::string address() const { return folder_.path() + "/redis.sock"; }
  void Kill();   // as a crash; what was answered is on disk, where it keeps anything
  void Start();  // on the same data and address; waits until it answers
  // It stands still: its sockets are open, nothing answers. Until Thaw.
  void Freeze();
  void Thaw();

 private:
  const Keeping keeping_;
  TempFolder folder_;
  std::unique_ptr<ChildProcess> process_;
};

// A PostgreSQL 15 of the test's own, on a unix socket. Its data survives Kill, not the machine.
class PrivatePostgres {
 public:
  PrivatePostgres();  // started
  ~PrivatePostgres();

  // Of a database; "postgres" exists.
  [[nodiscard]] std::string conninfo(const std::string& database) const;
  [[nodiscard]] std::string log_path() const { return folder_.path() + "/log"; }
  // Makes an empty database; returns its name.
  [[nodiscard]] std::string NewDatabase();
  void Kill();  // as a crash of the whole server
  // The whole server stands still: its sockets are open, nothing answers. Until Thaw.
  void Freeze();
  void Thaw();
  void Start();  // waits until it answers

  [[nodiscard]] absl::StatusOr<std::unique_ptr<postgres::Connection>> Connect(
      const std::string& database) const;

 private:
  TempFolder folder_;
  std::unique_ptr<ChildProcess> process_;
  int databases_ = 0;
};

}  // namespace homeport::testing
