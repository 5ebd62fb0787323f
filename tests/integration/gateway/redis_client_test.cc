#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "libs/base/strings.h"
#include "libs/net/address.h"
#include "libs/net/fd.h"
#include "libs/redis/client.h"
#include "libs/redis_blocking/client.h"
#include "tests/integration/gateway/reactor_thread.h"
#include "tests/support/private_servers.h"

namespace homeport {
namespace {

using redis::Client;
using redis::Reply;
using testing::Eventually;
using testing::PrivateRedis;
using testing::ReactorThread;

constexpr int64_t kTimeoutMs = 200;

struct Connected {
  ReactorThread loop;
  Client client;
  int changes = 0;  // of the connection's state

  explicit Connected(const PrivateRedis& redis)
      : client(loop.reactor(), {redis.address(), "test", kTimeoutMs},
               [this](bool /*connected*/) { ++changes; }) {
    loop.Do([this] { client.Start(); });
    REQUIRE(Eventually([this] { return loop.Do([this] { return client.connected(); }); }));
  }
  ~Connected() {
    loop.Do([this] { client.Stop(); });
    loop.Stop();
  }
};

// Sends PING, and again from within each lost answer, `more` times.
void SendAgain(Client& client, int more, int& lost) {
  client.Send({"PING"}, [&client, more, &lost](const Reply& reply) {
    if (!reply.lost()) return;
    ++lost;
    if (more > 0) SendAgain(client, more - 1, lost);
  });
}

TEST_CASE(
    "what a callback sends when Redis fell silent is lost as well, and the client reconnects") {
  PrivateRedis redis;
  Connected test(redis);
  int lost = 0;
  redis.Freeze();
  test.loop.Do([&] {
    SendAgain(test.client, 2, lost);
    SendAgain(test.client, 0, lost);
  });
  CHECK(Eventually([&] { return test.loop.Do([&] { return lost == 4; }); }));
  redis.Thaw();
  CHECK(Eventually([&] { return test.loop.Do([&] { return test.client.connected(); }); }));
  CHECK(test.loop.Do([&] { return test.changes; }) == 3);
}

TEST_CASE("a primary that has become a replica is left, and the one behind its name asked for") {
  PrivateRedis redis;
  Connected test(redis);
  redis_blocking::Client other{{.address = redis.address()}};
  const auto set = [&] {
    test.loop.Do([&] { test.client.Send({"SET", "key", "value"}, [](const Reply& /*reply*/) {}); });
  };
  REQUIRE(other.Call({"REPLICAOF", "127.0.0.1", "1"}).ok());
  CHECK(Eventually([&] {
    set();
    return test.loop.Do([&] { return test.changes; }) >= 2;
  }));
  CHECK(other.Call({"SET", "key", "value"})->is_error());
  REQUIRE(other.Call({"REPLICAOF", "NO", "ONE"}).ok());
  CHECK(Eventually([&] {
    set();
    return other.Call({"GET", "key"})->text() == "value";
  }));
}

TEST_CASE("what a callback sends while the client is stopped is lost as well") {
  PrivateRedis redis;
  Connected test(redis);
  int lost = 0;
  redis.Freeze();
  test.loop.Do([&] {
    SendAgain(test.client, 1, lost);
    SendAgain(test.client, 0, lost);
    test.client.Stop();
    CHECK_FALSE(test.client.connected());
  });
  CHECK(Eventually([&] { return test.loop.Do([&] { return lost == 3; }); }));
  redis.Thaw();
}

TEST_CASE("a command may have any number of words") {
  PrivateRedis redis;
  Connected test(redis);
  std::vector<std::string> words = {"RPUSH", "list"};
  for (int i = 0; i < 5000; ++i) words.push_back(std::to_string(i));
  std::promise<int64_t> length;
  test.loop.Do([&] {
    const std::vector<std::string_view> views(words.begin(), words.end());
    test.client.Send(views, [&](const Reply& reply) { length.set_value(reply.integer()); });
  });
  CHECK(length.get_future().get() == 5000);
}

// A listener whose queue of connections is full: what connects to it hears nothing.
class BlackHole {
 public:
  BlackHole() {
    const net::SocketAddress any = *net::Resolve(*net::ParseAddress("127.0.0.1:0"));
    address_.size = sizeof address_.storage;
    REQUIRE(::bind(listener_.get(), Raw(any), any.size) == 0);
    REQUIRE(::listen(listener_.get(), 0) == 0);
    auto* storage = static_cast<sockaddr*>(static_cast<void*>(&address_.storage));
    REQUIRE(::getsockname(listener_.get(), storage, &address_.size) == 0);
    for (int i = 0; i < 4; ++i) {
      fillers_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      static_cast<void>(::connect(fillers_.back().get(), Raw(address_), address_.size));
    }
  }
  std::string address() const { return net::ToString(address_); }

 private:
  static const sockaddr* Raw(const net::SocketAddress& address) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address.storage));
  }
  net::Fd listener_{::socket(AF_INET, SOCK_STREAM, 0)};
  net::SocketAddress address_;
  std::vector<net::Fd> fillers_;
};

// Local ports from which a connection to `address` is being tried.
std::set<std::string> Trying(const std::string& address) {
  const int port = std::stoi(address.substr(address.rfind(':') + 1));
  const std::string remote = fmt::format("0100007F:{:04X}", port);
  std::set<std::string> ports;
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string number, local, there, state;
    words >> number >> local >> there >> state;
    if (there == remote && state == "02") ports.insert(local);
  }
  return ports;
}

TEST_CASE("a connection that nobody answers is given up, and tried again") {
  BlackHole hole;
  const std::set<std::string> fillers = Trying(hole.address());
  ReactorThread loop;
  Client::Options options{hole.address(), "test"};
  options.connect_ms_max = 100;
  Client client(loop.reactor(), options, [](bool) {});
  loop.Do([&] { client.Start(); });
  std::set<std::string> tried;
  CHECK(Eventually([&] {
    for (const std::string& port : Trying(hole.address())) {
      if (!fillers.contains(port)) tried.insert(port);
    }
    return tried.size() >= 2;
  }));
  loop.Do([&] { client.Stop(); });
  loop.Stop();
}

// The password of user `homeport`, and of the default user, set through a connection of its own.
void AskForPasswords(const PrivateRedis& redis) {
  redis_blocking::Client admin({.address = redis.address()});
  for (const std::string_view user : {"homeport", "default"}) {
    const auto reply = admin.Call({"ACL", "SETUSER", user, "on", ">right", "~*", "&*", "+@all"});
    REQUIRE(reply.ok());
    REQUIRE_FALSE(reply->is_error());
  }
  REQUIRE(admin.Call({"ACL", "SETUSER", "default", "resetpass", ">right"}).ok());
}

TEST_CASE("a Redis with passwords is used with the right one only") {
  const PrivateRedis redis;
  AskForPasswords(redis);
  const std::string user = GENERATE(as<std::string>(), "", "homeport");
  ReactorThread loop;
  std::atomic<int> wrong_changes = 0;
  Client::Options options{redis.address(), "test"};
  options.user = user;
  options.password = "right";
  Client right(loop.reactor(), options, [](bool) {});
  options.password = "wrong";
  Client wrong(loop.reactor(), options, [&](bool) { ++wrong_changes; });
  loop.Do([&] {
    right.Start();
    wrong.Start();
  });
  REQUIRE(Eventually([&] { return loop.Do([&] { return right.connected(); }); }));
  std::atomic<bool> answered = false;
  loop.Do([&] {
    right.Send({"PING"}, [&](const Reply& reply) { answered = reply.text() == "PONG"; });
  });
  CHECK(Eventually([&] { return answered.load(); }));

  redis_blocking::Client admin({.address = redis.address(), .password = "right"});
  CHECK(Eventually([&] {
    const auto denied = admin.Call({"ACL", "LOG"});
    return denied.ok() && denied->size() > 0;
  }));
  CHECK(wrong_changes == 0);
  CHECK_FALSE(loop.Do([&] { return wrong.connected(); }));
  redis_blocking::Client refused({.address = redis.address(), .user = user, .password = "wrong"});
  CHECK_THAT(std::string(refused.Call({"PING"}).status().message()),
             Catch::Contains("AUTH: WRONGPASS"));
  redis_blocking::Client accepted({.address = redis.address(), .user = user, .password = "right"});
  CHECK(accepted.Call({"PING"})->text() == "PONG");
  loop.Do([&] {
    right.Stop();
    wrong.Stop();
  });
  loop.Stop();
}

}  // namespace
}  // namespace homeport
