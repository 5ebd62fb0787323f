#include "libs/net/reactor.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "libs/net/address.h"
#include "libs/net/paced_task.h"

namespace homeport::net {
namespace {

TEST_CASE("timers fire in the order of their times, cancelled ones never") {
  Reactor reactor(SystemClock());
  std::string order;
  reactor.After(6, [&] { order += 'c'; });
  reactor.After(2, [&] { order += 'a'; });
  const TimerId cancelled = reactor.After(3, [&] { order += 'x'; });
  reactor.After(4, [&] { order += 'b'; });
  reactor.After(8, [&] { reactor.Stop(); });
  reactor.Cancel(cancelled);
  reactor.Run();
  CHECK(order == "abc");
}

TEST_CASE("tasks posted by another thread run in order on the loop's thread") {
  Reactor reactor(SystemClock());
  std::vector<int> seen;
  std::thread::id ran_on;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) {
      reactor.Post([&seen, &ran_on, i] {
        seen.push_back(i);
        ran_on = std::this_thread::get_id();
      });
    }
    reactor.Stop();
  });
  reactor.Run();
  poster.join();
  REQUIRE(seen.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(seen[static_cast<size_t>(i)] == i);
  CHECK(ran_on == std::this_thread::get_id());
}

class EchoOnce final : public IoHandler {
 public:
  EchoOnce(Reactor& reactor, int fd) : reactor_(reactor), fd_(fd) {}
  void OnReady(uint32_t events) override {
    CHECK((events & EPOLLIN) != 0);
    char bytes[8];
    got = std::string(bytes, static_cast<size_t>(::read(fd_, bytes, sizeof bytes)));
    reactor_.Remove(fd_);
    reactor_.Defer([this] { reactor_.Stop(); });
  }
  std::string got;

 private:
  Reactor& reactor_;
  int fd_;
};

TEST_CASE("a readable descriptor is announced, and deferred tasks run before the loop sleeps") {
  Reactor reactor(SystemClock());
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  const Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  EchoOnce handler(reactor, ours.get());
  REQUIRE(reactor.Add(ours.get(), EPOLLIN, &handler).ok());
  REQUIRE(::write(theirs.get(), "hello", 5) == 5);
  reactor.Run();
  CHECK(handler.got == "hello");
}

struct AddressCase {
  const char* text;
  bool ok;
  bool is_unix;
};

TEST_CASE("a paced task runs at once after a quiet while, then once in its window for all wishes") {
  constexpr int64_t kWindowMs = 30;
  Reactor reactor(SystemClock());
  std::vector<MonoMs> runs;
  int wishes = 0, wishes_at_first_run = 0;
  PacedTask task(reactor, kWindowMs, [&] {
    runs.push_back(reactor.now());
    if (runs.size() == 1) wishes_at_first_run = wishes;
    if (runs.size() == 3) reactor.Stop();
  });
  const auto wish = [&](auto&& self) -> void {
    ++wishes;
    task.Want();
    task.Want();
    reactor.After(1, [&self] { self(self); });
  };
  reactor.After(0, [&] { wish(wish); });
  reactor.Run();
  REQUIRE(runs.size() == 3);
  CHECK(wishes_at_first_run == 1);
  CHECK(runs[1] - runs[0] >= kWindowMs);
  CHECK(runs[2] - runs[1] >= kWindowMs);
}

TEST_CASE("addresses") {
  const AddressCase cases[] = {
      {"127.0.0.1:1883", true, false}, {"[::1]:1883", true, false},
      {"/run/redis.sock", true, true}, {"1883", false, false},
      {"host:", false, false},         {"", false, false},
      {"host:abc", false, false},      {"host:65536", false, false},
      {"host:-1", false, false},       {"host:65535", true, false},
  };
  for (const AddressCase& c : cases) {
    INFO(c.text);
    const auto parsed = ParseAddress(c.text);
    REQUIRE(parsed.ok() == c.ok);
    if (c.ok) CHECK(parsed->is_unix() == c.is_unix);
  }
  CHECK(IsLoopback(*Resolve(*ParseAddress("127.0.0.1:1"))));
  CHECK(IsLoopback(*Resolve(*ParseAddress("[::1]:1"))));
  CHECK_FALSE(IsLoopback(*Resolve(*ParseAddress("0.0.0.0:1"))));
}

}  // namespace
}  // namespace homeport::net
