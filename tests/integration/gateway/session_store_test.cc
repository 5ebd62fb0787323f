#include "services/gateway/ownership/session_store.h"

#include <catch2/catch.hpp>

#include "libs/metrics/registry.h"
#include "libs/redis_blocking/client.h"
#include "libs/routing/keys.h"
#include "tests/integration/gateway/reactor_thread.h"
#include "tests/support/private_servers.h"

namespace homeport::gateway {
namespace {

using testing::Eventually;
using testing::PrivateRedis;
using testing::ReactorThread;
using Written = SessionStore::Written;

struct World {
  PrivateRedis redis;
  redis_blocking::Client reader{{.address = redis.address()}};
  metrics::Registry registry;
  ShardProbe probe{registry};
  PodId pod{"pod-1"};
  ReactorThread loop;
  redis::Client client;
  SessionStore store;
  Identity identity;
  std::vector<Written> written;

  World()
      : client(loop.reactor(), {redis.address(), "test", 300},
               [this](bool connected) {
                 if (connected) store.OnConnected();
               }),
        store(loop.reactor(), client, probe, pod) {
    identity.device = identity.client = "lamp";
    loop.Do([this] { client.Start(); });
    REQUIRE(Eventually([this] { return loop.Do([this] { return client.connected(); }); }));
    Call({"HSET", Key(), "h", "pod-1 0 1"});
  }
  ~World() {
    loop.Do([this] { client.Stop(); });
    loop.Stop();
  }

  std::string Key() const { return routing::KeptKey("lamp", "lamp"); }
  std::string Call(std::initializer_list<std::string_view> words) {
    const auto reply = reader.Call(words);
    REQUIRE(reply.ok());
    return std::string(reply->text());
  }
  void Write(std::string_view field, std::string value, uint64_t epoch = 1) {
    loop.Do([&] {
      store.Write({identity, SessionHandle{}, epoch}, {SessionStore::Set(field, std::move(value))},
                  [this](Written how) { written.push_back(how); });
    });
  }
  bool Answered(size_t count) {
    return Eventually([&] { return loop.Do([&] { return written.size() == count; }); });
  }
  bool Refused() {
    return Eventually([&] {
      return loop.Do([&] { return registry.Render(); }).find("session_write_refused") !=
             std::string::npos;
    });
  }
};

TEST_CASE("writes that Redis refuses for want of memory are done later, in order") {
  World world;
  world.Call({"CONFIG", "SET", "maxmemory", "1"});
  for (int i = 1; i <= 3; ++i) world.Write("f", std::to_string(i));
  REQUIRE(world.Refused());
  world.Write("f", "4");
  CHECK(world.loop.Do([&] { return world.written.empty() && !world.store.idle(); }));
  world.Call({"CONFIG", "SET", "maxmemory", "0"});
  REQUIRE(world.Answered(4));
  CHECK(world.written == std::vector<Written>(4, Written::kDone));
  CHECK(world.Call({"HGET", world.Key(), "f"}) == "4");
  CHECK(world.loop.Do([&] { return world.store.idle(); }));
  // What comes then does not wait.
  world.Write("f", "5");
  REQUIRE(world.Answered(5));
  CHECK(world.Call({"HGET", world.Key(), "f"}) == "5");
}

TEST_CASE("what Redis did before a write that it refused is done again behind that one") {
  World world;
  world.Call({"CONFIG", "SET", "maxmemory", "1"});
  const auto write = [&](SessionStore::Change change) {
    world.store.Write({world.identity, SessionHandle{}, 1}, {std::move(change)},
                      [&](Written how) { world.written.push_back(how); });
  };
  world.loop.Do([&] {  // at once: the second, which takes no memory, is on its way already
    write(SessionStore::Queue(5, "message"));
    write(SessionStore::Unqueue(5));
  });
  REQUIRE(world.Refused());
  world.Call({"CONFIG", "SET", "maxmemory", "0"});
  REQUIRE(world.Answered(2));
  CHECK(world.written == std::vector<Written>(2, Written::kDone));
  CHECK(world.reader.Call({"HLEN", routing::QueueKey("lamp", "lamp")})->integer() == 0);
}

TEST_CASE("writes that were refused when the connection broke are done by the next one") {
  World world;
  world.Call({"CONFIG", "SET", "maxmemory", "1"});
  world.Write("f", "1");
  REQUIRE(world.Refused());
  world.redis.Kill();
  world.Write("f", "2");
  world.redis.Start();  // without the limit
  REQUIRE(world.Answered(2));
  CHECK(world.written == std::vector<Written>(2, Written::kDone));
  redis_blocking::Client reader({.address = world.redis.address()});
  CHECK(reader.Call({"HGET", world.Key(), "f"})->text() == "2");
}

TEST_CASE("a write says whether the session is another's, and whether it never can be done") {
  World world;
  world.Write("f", "1", 2);
  REQUIRE(world.Answered(1));
  CHECK(world.written[0] == Written::kNotOurs);
  world.Call({"DEL", world.Key()});
  world.Call({"SET", world.Key(), "no hash"});
  world.Write("f", "1");
  REQUIRE(world.Answered(2));
  CHECK(world.written[1] == Written::kFailed);
  CHECK(world.loop.Do([&] { return world.store.idle(); }));
}

TEST_CASE(
    "where too much waits for Redis messages are dropped, and no word of whose a session is") {
  World world;
  world.redis.Freeze();
  constexpr size_t kWrites = 64;
  const std::string large(4 << 20, 'x');
  for (size_t i = 0; i < kWrites; ++i) world.Write("f", large);
  CHECK(world.loop.Do([&] { return world.store.is_pressed(); }));
  REQUIRE(world.Answered(1));  // the first that is too much
  CHECK(world.written[0] == Written::kFailed);
  const SessionHandle heir{4, 1};
  world.loop.Do([&] {
    world.store.Leave({world.identity, SessionHandle{}, 1}, heir, 60,
                      [&](Written how) { world.written.push_back(how); });
  });
  world.redis.Thaw();
  REQUIRE(world.Answered(kWrites + 1));
  CHECK(std::count(world.written.begin(), world.written.end(), Written::kFailed) == 1);
  CHECK(world.Call({"HGET", world.Key(), "h"}) == fmt::format("pod-1 {} 1", heir.packed()));
  CHECK(world.loop.Do([&] { return world.store.idle() && !world.store.is_pressed(); }));
}

TEST_CASE("a session is adopted once, however often Redis must be asked") {
  World world;
  world.Call({"HSET", routing::SessionKey("lamp"), "e", "3", "dead-1 5", "3"});
  world.Call({"HSET", world.Key(), "h", "dead-1 5 3", "x", "60"});
  world.Call({"HSET", routing::QueueKey("lamp", "lamp"), "7", "message"});
  std::vector<absl::StatusOr<SessionStore::Adopted>> answers;
  const auto adopt = [&](SessionHandle heir) {
    world.loop.Do([&] {
      world.store.Adopt(world.identity, "dead-1", heir,
                        [&](auto adopted) { answers.push_back(std::move(adopted)); });
    });
  };
  const auto answered = [&](size_t count) {
    return Eventually([&] { return world.loop.Do([&] { return answers.size() == count; }); });
  };
  const SessionHandle heir{4, 1};
  world.redis.Freeze();
  adopt(heir);
  CHECK(Eventually([&] { return world.loop.Do([&] { return !world.client.connected(); }); }));
  world.redis.Thaw();
  REQUIRE(answered(1));
  adopt(heir);  // as if the first answer had been lost behind the write
  REQUIRE(answered(2));
  for (const auto& adopted : answers) {
    REQUIRE(adopted.ok());
    CHECK(adopted->epoch == 4);
    CHECK(adopted->queued == 1);
    CHECK(adopted->last_number == 7);
    CHECK(adopted->record.Field("x") == "60");
  }
  adopt({5, 1});
  REQUIRE(answered(3));
  CHECK(absl::IsNotFound(answers[2].status()));
}

}  // namespace
}  // namespace homeport::gateway
