#include "libs/net/resolver.h"

#include <catch2/catch.hpp>
#include <thread>

#include "libs/base/clock.h"

namespace homeport::net {
namespace {

TEST_CASE("a numeric host is its own answer, at once") {
  Reactor reactor(SystemClock());
  for (const std::string host : {"127.0.0.1", "::1"}) {
    Resolver resolver(reactor);
    std::string answer;
    resolver.Resolve(host, [&](const absl::StatusOr<std::string>& found) { answer = *found; });
    CHECK(answer == host);
  }
}

TEST_CASE("a name is asked for elsewhere, and the last to ask is told") {
  Reactor reactor(SystemClock());
  Resolver resolver(reactor);
  int first = 0, last = 0;
  resolver.Resolve("localhost", [&](const auto&) { ++first; });
  CHECK(first == 0);
  resolver.Resolve("localhost", [&](const absl::StatusOr<std::string>& found) {
    REQUIRE(found.ok());
    CHECK((*found == "127.0.0.1" || *found == "::1"));
    ++last;
    reactor.Stop();
  });
  reactor.Run();
  CHECK(first == 0);
  CHECK(last == 1);
}

TEST_CASE("a name that nobody has is an error") {
  Reactor reactor(SystemClock());
  Resolver resolver(reactor);
  absl::Status status;
  resolver.Resolve("nobody.invalid", [&](const absl::StatusOr<std::string>& found) {
    status = found.status();
    reactor.Stop();
  });
  reactor.Run();
  CHECK(absl::IsUnavailable(status));
}

TEST_CASE("a resolver that ends forgets what it asked for") {
  Reactor reactor(SystemClock());
  bool told = false;
  {
    Resolver resolver(reactor);
    resolver.Resolve("localhost", [&](const auto&) { told = true; });
  }
  reactor.After(50, [&] { reactor.Stop(); });
  reactor.Run();
  CHECK_FALSE(told);
}

}  // namespace
}  // namespace homeport::net
