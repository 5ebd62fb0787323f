#pragma once

#include <hiredis/async.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "libs/net/address.h"
#include "libs/net/reactor.h"
#include "libs/net/resolver.h"
#include "libs/redis/reply.h"

namespace homeport::redis {

// One pipelined connection to Redis on a reactor, reconnected for ever with jittered back-off
// (50 ms to 1 s). Reactor's thread only.
//
// Every command's callback is called exactly once: with Redis's answer, or with a lost Reply when
// the connection was down or broke first; the command may then have been carried out or not.
// Callbacks may send further commands, which are lost too where the connection has just broken, and
// are never called from inside Send.
class Client final {
 public:
  using OnReply = absl::AnyInvocable<void(const Reply&)>;
  using OnState = absl::AnyInvocable<void(bool connected)>;

  struct Options {
    std::string address;                // host:port or the path of a unix socket
    std::string name;                   // for log lines: "uplink", "inbox"
    int64_t command_timeout_ms = 5000;  // an unanswered command breaks the connection; 0: never
    int64_t connect_ms_max = 5000;      // from the host's name to the connection, logged in
    std::string user{};                 // of Redis's ACL; "" = the default user
    std::string password{};             // "" = no AUTH
  };

  // `on_state` hears of every change. REQUIRES: net::ParseAddress accepts the address.
  Client(net::Reactor& reactor, Options options, OnState on_state);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Start();
  // Breaks the connection without reconnecting; pending commands are lost.
  void Stop();
  // Gives the connection up for another one, if there is one. Not from inside a callback.
  void Reconnect();

  [[nodiscard]] bool connected() const { return connected_; }

  void Send(std::span<const std::string_view> arguments, OnReply on_reply);
  void Send(std::initializer_list<std::string_view> arguments, OnReply on_reply) {
    Send(std::span(arguments.begin(), arguments.size()), std::move(on_reply));
  }

  // EVALSHA, with SCRIPT LOAD before the first of a connection, so that scripts are carried out in
  // the order of the calls; EVAL where Redis has forgotten it since. `script` must outlive the
  // client. `arguments`: number of keys, keys, arguments.
  void Eval(const class Script& script, std::vector<std::string> arguments, OnReply on_reply);

 private:
  class Socket;
  struct Pending;

  void Connect();
  void ConnectTo(const net::Address& address);
  void OnConnectTime();
  void OnConnected(int status);
  void LogIn();
  void OnReady();
  void OnBroken(std::string_view reason);
  void Break();
  void LeaveReplica();
  void ScheduleReconnect();
  void CheckTimeout();

  void Put(std::span<const std::string_view> arguments, OnReply on_reply);
  static void ReplyCallback(redisAsyncContext* context, void* raw, void* pending);

  net::Reactor& reactor_;
  Options options_;
  OnState on_state_;
  redisAsyncContext* context_ = nullptr;
  std::unique_ptr<Socket> socket_;
  bool connected_ = false;
  bool told_connected_ = false;  // what on_state_ heard last
  bool stopped_ = false;
  bool was_replica_ = false;  // why the last connection is given up
  int failures_ = 0;
  std::set<const class Script*> loaded_;  // on this connection
  uint64_t sent_ = 0;
  uint64_t answered_ = 0;
  uint64_t answered_at_check_ = 0;
  net::Resolver resolver_;
  std::string last_host_;  // numeric: used while its name cannot be resolved
  net::TimerId connect_timer_ = 0;
  net::TimerId reconnect_timer_ = 0;
  net::TimerId timeout_timer_ = 0;
};

// A Lua script and its SHA-1. `source` outlives it. Needs no destructor: a static one is there as
// long as any thread.
class Script {
 public:
  explicit Script(std::string_view source);
  [[nodiscard]] std::string_view source() const { return source_; }
  [[nodiscard]] std::string_view sha1() const { return {sha1_.data(), sha1_.size()}; }

 private:
  std::string_view source_;
  std::array<char, 40> sha1_{};  // in hexadecimal
};

}  // namespace homeport::redis
