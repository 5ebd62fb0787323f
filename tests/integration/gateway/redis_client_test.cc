#include "libs/redis/client.h"

#include <catch2/catch.hpp>

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

TEST_CASE("what a callback sends when Redis fell silent is lost as well, and the client reconnects") {
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

}  // namespace
}  // namespace homeport
