#include "libs/redis/client.h"

#include <openssl/sha.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>

#include "absl/container/inlined_vector.h"
#include "libs/base/check.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"

namespace homeport::redis {
namespace {

constexpr int64_t kBackoffMsMin = 50;
constexpr int64_t kBackoffMsMax = 1000;

// Half of the exponential back-off fixed, half random, so that pods do not return in step.
int64_t BackoffMs(int failures) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const int64_t ceiling = std::min(kBackoffMsMax, kBackoffMsMin << std::min(failures, 10));
  return ceiling / 2 + static_cast<int64_t>(random()) % (ceiling / 2 + 1);
}

}  // namespace

struct Client::Pending {
  Client* client;
  OnReply on_reply;
};

// Connects hiredis's wishes for readability and writability to the reactor.
class Client::Socket final : public net::IoHandler {
 public:
  Socket(net::Reactor& reactor, redisAsyncContext* context)
      : reactor_(reactor), context_(context), fd_(context->c.fd) {
    context->ev.data = this;
    context->ev.addRead = [](void* self) { static_cast<Socket*>(self)->Want(EPOLLIN, true); };
    context->ev.delRead = [](void* self) { static_cast<Socket*>(self)->Want(EPOLLIN, false); };
    context->ev.addWrite = [](void* self) { static_cast<Socket*>(self)->Want(EPOLLOUT, true); };
    context->ev.delWrite = [](void* self) { static_cast<Socket*>(self)->Want(EPOLLOUT, false); };
    context->ev.cleanup = [](void* self) { static_cast<Socket*>(self)->Detach(); };
  }

  void OnReady(uint32_t events) override {
    if (context_ != nullptr && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
      redisAsyncHandleRead(context_);
    }
    if (context_ != nullptr && (events & EPOLLOUT) != 0) redisAsyncHandleWrite(context_);
  }

 private:
  // The write wish follows every command; the reactor is asked only when the set changes.
  void Want(uint32_t event, bool on) {
    const uint32_t wanted = on ? wanted_ | event : wanted_ & ~event;
    if (wanted == wanted_ || context_ == nullptr) return;
    if (!added_) {
      if (!reactor_.Add(fd_, wanted, this).ok()) return;
      added_ = true;
    } else {
      reactor_.Modify(fd_, wanted, this);
    }
    wanted_ = wanted;
  }

  // hiredis is about to close the descriptor and free the context.
  void Detach() {
    if (added_) reactor_.Remove(fd_);
    added_ = false;
    context_ = nullptr;
  }

  net::Reactor& reactor_;
  redisAsyncContext* context_;
  int fd_;
  uint32_t wanted_ = 0;
  bool added_ = false;
};

Client::Client(net::Reactor& reactor, Options options, OnState on_state)
    : reactor_(reactor),
      options_(std::move(options)),
      on_state_(std::move(on_state)),
      resolver_(reactor) {}

Client::~Client() { Stop(); }

void Client::Start() {
  stopped_ = false;
  Connect();
  if (options_.command_timeout_ms > 0) {
    timeout_timer_ = reactor_.After(options_.command_timeout_ms, [this] { CheckTimeout(); });
  }
}

void Client::Stop() {
  if (stopped_) return;
  stopped_ = true;
  reactor_.Cancel(connect_timer_);
  reactor_.Cancel(reconnect_timer_);
  reactor_.Cancel(timeout_timer_);
  resolver_.Forget();
  if (context_ != nullptr) Break();
  told_connected_ = false;
}

void Client::Reconnect() {
  if (stopped_ || !connected_) return;
  Break();
  OnBroken("another connection of this process has gone");
}

// hiredis calls every pending callback before it returns: what those send is lost at once.
void Client::Break() {
  connected_ = false;
  redisAsyncFree(std::exchange(context_, nullptr));
}

void Client::Connect() {
  const absl::StatusOr<net::Address> parsed = net::ParseAddress(options_.address);
  HP_CHECK(parsed.ok());
  connect_timer_ = reactor_.After(options_.connect_ms_max, [this] { OnConnectTime(); });
  if (parsed->is_unix()) return ConnectTo(*parsed);
  resolver_.Resolve(parsed->host, [this, address = *parsed](const auto& host) mutable {
    if (host.ok()) last_host_ = *host;
    if (last_host_.empty()) return OnBroken(std::string(host.status().message()));
    address.host = last_host_;
    ConnectTo(address);
  });
}

// Neither a name server that is silent nor an address that answers nothing is waited for.
void Client::OnConnectTime() {
  connect_timer_ = 0;
  const bool is_resolving = context_ == nullptr;
  if (is_resolving && !last_host_.empty()) {
    resolver_.Forget();
    net::Address address = *net::ParseAddress(options_.address);
    address.host = last_host_;
    connect_timer_ = reactor_.After(options_.connect_ms_max, [this] { OnConnectTime(); });
    return ConnectTo(address);
  }
  if (is_resolving) {
    resolver_.Forget();
  } else {
    Break();
  }
  OnBroken(is_resolving ? "the host's name was not resolved in time" : "no connection in time");
}

void Client::ConnectTo(const net::Address& address) {
  context_ = address.is_unix() ? redisAsyncConnectUnix(address.path.c_str())
                               : redisAsyncConnect(address.host.c_str(), std::stoi(address.port));
  HP_CHECK(context_ != nullptr);
  if (context_->err != 0) {
    const std::string reason = context_->errstr;
    redisAsyncFree(std::exchange(context_, nullptr));
    OnBroken(reason);
    return;
  }
  context_->data = this;
  socket_ = std::make_unique<Socket>(reactor_, context_);
  redisAsyncSetConnectCallback(context_, [](const redisAsyncContext* context, int status) {
    static_cast<Client*>(context->data)->OnConnected(status);
  });
  redisAsyncSetDisconnectCallback(context_, [](const redisAsyncContext* context, int /*status*/) {
    auto* client = static_cast<Client*>(context->data);
    if (client->context_ == nullptr) return;  // our own Break
    client->context_ = nullptr;
    client->OnBroken(context->err != 0 ? context->errstr : "closed by Redis");
  });
}

void Client::OnConnected(int status) {
  if (status != REDIS_OK) {
    const std::string reason = context_->errstr;
    context_ = nullptr;  // hiredis frees it after this callback
    OnBroken(reason);
    return;
  }
  options_.password.empty() ? OnReady() : LogIn();
}

// A refusal may pass: a password is changed in one place before the other.
void Client::LogIn() {
  absl::InlinedVector<std::string_view, 3> command = {"AUTH"};
  if (!options_.user.empty()) command.push_back(options_.user);
  command.push_back(options_.password);
  Put(command, [this](const Reply& reply) {
    if (reply.lost()) return;
    if (reply.ok()) return OnReady();
    const std::string reason = fmt::format("AUTH: {}", reply.error());
    Break();
    OnBroken(reason);
  });
}

void Client::OnReady() {
  reactor_.Cancel(connect_timer_);
  connected_ = true;
  loaded_.clear();
  told_connected_ = true;
  if (!std::exchange(was_replica_, false)) failures_ = 0;
  log::Info("redis_connected", {{"connection", options_.name}, {"address", options_.address}});
  on_state_(true);
}

void Client::OnBroken(std::string_view reason) {
  connected_ = false;
  reactor_.Cancel(connect_timer_);
  if (stopped_) return;
  log::Refusal("redis_connection_failed", {{"connection", options_.name},
                                           {"address", options_.address},
                                           {"reason", reason},
                                           {"next", "reconnecting"}});
  if (std::exchange(told_connected_, false)) on_state_(false);
  ScheduleReconnect();
}

void Client::ScheduleReconnect() {
  reconnect_timer_ = reactor_.After(BackoffMs(failures_++), [this] {
    socket_.reset();
    Connect();
  });
}

// A frozen Redis keeps its connections open: nothing but the silence tells.
void Client::CheckTimeout() {
  if (context_ != nullptr && sent_ > answered_ && answered_ == answered_at_check_) {
    log::Warn("redis_silent", {{"connection", options_.name},
                               {"unanswered", sent_ - answered_},
                               {"timeout_ms", options_.command_timeout_ms}});
    Break();
    OnBroken("no answer in time");
  }
  answered_at_check_ = sent_ > answered_ ? answered_ : ~uint64_t{0};
  timeout_timer_ = reactor_.After(options_.command_timeout_ms, [this] { CheckTimeout(); });
}

void Client::Send(std::span<const std::string_view> arguments, OnReply on_reply) {
  if (!connected_) {
    reactor_.Defer([on_reply = std::move(on_reply)]() mutable { on_reply(Reply()); });
    return;
  }
  Put(arguments, std::move(on_reply));
}

void Client::Put(std::span<const std::string_view> arguments, OnReply on_reply) {
  constexpr size_t kUsualWords = 64;  // without an allocation
  absl::InlinedVector<const char*, kUsualWords> values;
  absl::InlinedVector<size_t, kUsualWords> sizes;
  for (const std::string_view argument : arguments) {
    values.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  auto pending = std::make_unique<Pending>(Pending{this, std::move(on_reply)});
  const int result =
      redisAsyncCommandArgv(context_, ReplyCallback, pending.get(),
                            static_cast<int>(arguments.size()), values.data(), sizes.data());
  if (result == REDIS_OK) {
    ++sent_;
    static_cast<void>(pending.release());  // owned by hiredis until ReplyCallback
    return;
  }
  reactor_.Defer([pending = std::move(pending)]() mutable { pending->on_reply(Reply()); });
}

void Client::ReplyCallback(redisAsyncContext* /*context*/, void* raw, void* pending) {
  std::unique_ptr<Pending> owned(static_cast<Pending*>(pending));
  Client& client = *owned->client;
  ++client.answered_;
  const Reply reply(static_cast<const redisReply*>(raw));
  if (!reply.ok() && reply.error().starts_with("READONLY ")) client.LeaveReplica();
  owned->on_reply(reply);
}

// What was the primary is one no more, and its name may be another's by now.
void Client::LeaveReplica() {
  if (std::exchange(was_replica_, true)) return;
  reactor_.Defer([this] {
    if (context_ == nullptr || stopped_) return;
    Break();
    OnBroken("it is a replica, which takes no writes");
  });
}

void Client::Eval(const Script& script, std::vector<std::string> arguments, OnReply on_reply) {
  if (connected_ && loaded_.insert(&script).second) {
    Send({"SCRIPT", "LOAD", script.source()}, [](const Reply& /*reply*/) {});
  }
  std::vector<std::string_view> command = {"EVALSHA", script.sha1()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  // The words of `command` stay where they are. AnyInvocable is move-only: the first callback hands
  // itself on to the second attempt.
  Send(command, [this, &script, arguments = std::move(arguments),
                 on_reply = std::move(on_reply)](const Reply& reply) mutable {
    if (reply.ok() || reply.error().substr(0, 8) != "NOSCRIPT") return on_reply(reply);
    std::vector<std::string_view> fallback = {"EVAL", script.source()};
    fallback.insert(fallback.end(), arguments.begin(), arguments.end());
    Send(fallback, std::move(on_reply));
  });
}

Script::Script(std::string_view source) : source_(source) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(static_cast<const unsigned char*>(static_cast<const void*>(source.data())), source.size(),
       digest);
  auto at = sha1_.begin();
  for (const unsigned char byte : digest) at = fmt::format_to(at, "{:02x}", byte);
}

}  // namespace homeport::redis
