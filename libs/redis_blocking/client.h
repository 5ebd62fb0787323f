#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/redis_blocking/reply.h"

struct redisContext;

namespace homeport::redis_blocking {

struct ClientOptions {
  std::string address;  // host:port, or the path of a unix socket
  int64_t connect_ms_max = 2'000;
  int64_t answer_ms_max = 5'000;  // must exceed every BLOCK
  std::string user{};             // of Redis's ACL; "" = the default user
  std::string password{};         // "" = no AUTH
};

using Arguments = std::span<const std::string_view>;

// One connection to Redis for a thread that has nothing else to do while it waits. One thread at a
// time. It connects when first used and, after a failure, at the next use: every failure is
// kUnavailable and leaves open whether the command was carried out. The retry policy is the
// caller's. Redis's own refusals come back as replies of type error.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // One command and its answer. REQUIRES: no answers outstanding.
  [[nodiscard]] absl::StatusOr<Reply> Call(Arguments arguments);
  [[nodiscard]] absl::StatusOr<Reply> Call(std::initializer_list<std::string_view> arguments) {
    return Call(Arguments(arguments.begin(), arguments.size()));
  }

  // Pipelining: Send any number of commands, then Receive as many answers, in order. A failure
  // loses all that were outstanding.
  [[nodiscard]] absl::Status Send(Arguments arguments);
  [[nodiscard]] absl::Status Send(std::initializer_list<std::string_view> arguments) {
    return Send(Arguments(arguments.begin(), arguments.size()));
  }
  [[nodiscard]] absl::StatusOr<Reply> Receive();
  [[nodiscard]] size_t outstanding() const { return outstanding_; }

 private:
  struct FreeContext {
    void operator()(redisContext* context) const;
  };
  [[nodiscard]] absl::Status EnsureConnected();
  [[nodiscard]] absl::Status LogIn();
  [[nodiscard]] absl::Status Broken(std::string_view what);

  const ClientOptions options_;
  std::unique_ptr<redisContext, FreeContext> context_;
  size_t outstanding_ = 0;
};

// kUnavailable for answers that say "later" (LOADING, OOM, READONLY, MASTERDOWN …), kInternal for
// other errors, OK for the rest: for commands of which an error answer is a failure.
[[nodiscard]] absl::Status ToStatus(const Reply& reply);

}  // namespace homeport::redis_blocking
