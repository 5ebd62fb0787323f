#include "libs/redis_blocking/client.h"

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <charconv>
#include <utility>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::redis_blocking {
namespace {

timeval ToTimeval(int64_t ms) { return {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}; }

redisContext* Connect(const ClientOptions& options) {
  const timeval timeout = ToTimeval(options.connect_ms_max);
  const size_t colon = options.address.rfind(':');
  int port = 0;
  if (!options.address.starts_with('/') && colon != std::string::npos) {
    const char* end = options.address.data() + options.address.size();
    std::from_chars(options.address.data() + colon + 1, end, port);
  }
  if (port == 0) return redisConnectUnixWithTimeout(options.address.c_str(), timeout);
  return redisConnectWithTimeout(options.address.substr(0, colon).c_str(), port, timeout);
}

}  // namespace

void Client::FreeContext::operator()(redisContext* context) const { redisFree(context); }

Client::Client(ClientOptions options) : options_(std::move(options)) {}
Client::~Client() = default;

absl::Status Client::Broken(std::string_view what) {
  const std::string detail = context_ ? context_->errstr : "out of memory";
  context_.reset();
  outstanding_ = 0;
  return absl::UnavailableError(fmt::format("redis {}: {}", what, detail));
}

absl::Status Client::EnsureConnected() {
  if (context_) return absl::OkStatus();
  context_.reset(Connect(options_));
  if (!context_ || context_->err != 0) return Broken("connect");
  redisSetTimeout(context_.get(), ToTimeval(options_.answer_ms_max));
  // A unix socket has no TCP keep-alive, and hiredis takes the refusal for a broken connection.
  if (context_->connection_type == REDIS_CONN_TCP) redisEnableKeepAlive(context_.get());
  return options_.password.empty() ? absl::OkStatus() : LogIn();
}

absl::Status Client::LogIn() {
  std::vector<const char*> words = {"AUTH"};
  if (!options_.user.empty()) words.push_back(options_.user.c_str());
  words.push_back(options_.password.c_str());
  void* const raw = redisCommandArgv(context_.get(), static_cast<int>(words.size()), words.data(),
                                     /*argvlen=*/nullptr);
  if (raw == nullptr) return Broken("AUTH");
  const Reply reply(static_cast<redisReply*>(raw));
  if (!reply.is_error()) return absl::OkStatus();
  context_.reset();
  return absl::UnavailableError(fmt::format("redis AUTH: {}", reply.text()));
}

absl::Status Client::Send(Arguments arguments) {
  HP_RETURN_IF_ERROR(EnsureConnected());
  std::vector<const char*> values;
  std::vector<size_t> sizes;
  values.reserve(arguments.size());
  sizes.reserve(arguments.size());
  for (const std::string_view argument : arguments) {
    values.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  if (redisAppendCommandArgv(context_.get(), static_cast<int>(arguments.size()), values.data(),
                             sizes.data()) != REDIS_OK) {
    return Broken("send");
  }
  ++outstanding_;
  return absl::OkStatus();
}

absl::StatusOr<Reply> Client::Receive() {
  if (!context_) return absl::UnavailableError("redis: connection lost");
  HP_CHECK(outstanding_ > 0);
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK || raw == nullptr) return Broken("receive");
  --outstanding_;
  Reply reply(static_cast<redisReply*>(raw));
  const bool is_replica = reply.is_error() && reply.text().substr(0, 9) == "READONLY ";
  if (is_replica || (reply.is_error() && outstanding_ > 0)) {
    // The caller gives its pipeline up: answers left in it must not be taken for later ones. What
    // was the primary is one no more, and its name may be another's by now.
    context_.reset();
    outstanding_ = 0;
  }
  return reply;
}

absl::StatusOr<Reply> Client::Call(Arguments arguments) {
  HP_CHECK(outstanding_ == 0);
  HP_RETURN_IF_ERROR(Send(arguments));
  return Receive();
}

absl::Status ToStatus(const Reply& reply) {
  if (!reply.is_error()) return absl::OkStatus();
  const std::string_view text = reply.text();
  const std::string_view word = text.substr(0, text.find(' '));
  for (const std::string_view later : {"LOADING", "OOM", "READONLY", "MASTERDOWN", "MISCONF",
                                       "BUSY", "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS"}) {
    if (word == later) return absl::UnavailableError(fmt::format("redis: {}", text));
  }
  return absl::InternalError(fmt::format("redis: {}", text));
}

}  // namespace homeport::redis_blocking
