#include "libs/metrics/exposer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/strings.h"

namespace homeport::metrics {
namespace {

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

// The whole answer to one request, headers and body.
std::string Exchange(int port, const std::string& request) {
  const int fd = Connect(port);
  REQUIRE(write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return answer;
}

std::string Get(int port, const std::string& path) {
  return Exchange(port, fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", path));
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the exposer serves metrics and health") {
  Registry registry;
  registry.AddCounter("hp_x_total", "X.").Add(42);
  Health health;
  health.Expect("redis");
  const auto exposer = Exposer::Start("127.0.0.1:0", registry, health);
  REQUIRE(exposer.ok());
  const int port = (*exposer)->port();
  REQUIRE(port > 0);

  const std::string metrics = Get(port, "/metrics");
  CHECK(Contains(metrics, "HTTP/1.1 200 OK\r\n"));
  CHECK(Contains(metrics, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  CHECK(Contains(metrics, "\nhp_x_total 42\n"));

  CHECK(Contains(Get(port, "/livez"), "HTTP/1.1 200 OK\r\n"));
  const std::string unready = Get(port, "/readyz");
  CHECK(Contains(unready, "HTTP/1.1 503 "));
  CHECK(Contains(unready, "redis: starting\n"));

  health.Met("redis");
  CHECK(Contains(Get(port, "/readyz"), "HTTP/1.1 200 OK\r\n"));
  health.Unmet("postgres", "connection refused");
  CHECK(Contains(Get(port, "/readyz"), "postgres: connection refused\n"));
  Heartbeat heartbeat;
  health.WatchLoop("reactor 1", heartbeat, -1, SystemClock());
  const std::string dead = Get(port, "/livez");
  CHECK(Contains(dead, "HTTP/1.1 503 "));
  CHECK(Contains(dead, "reactor 1: has not turned for 0 ms\n"));

  CHECK(Contains(Get(port, "/other"), "HTTP/1.1 404 "));
  CHECK(Contains(Exchange(port, "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), " 405 "));
}

TEST_CASE("it stops at once, whoever is connected") {
  const Registry registry;
  const Health health;
  auto exposer = Exposer::Start("127.0.0.1:0", registry, health);
  REQUIRE(exposer.ok());
  const int silent = Connect((*exposer)->port());
  CHECK(Contains(Get((*exposer)->port(), "/livez"), " 200 "));
  const int64_t started_us = MonotonicMicros();
  exposer->reset();
  CHECK(MonotonicMicros() - started_us < 1'000'000);  // the library's own wait is 2 s
  char byte;
  CHECK(read(silent, &byte, 1) <= 0);
  close(silent);
}

TEST_CASE("a taken address is an error that names it") {
  const Registry registry;
  const Health health;
  const auto first = Exposer::Start("127.0.0.1:0", registry, health);
  REQUIRE(first.ok());
  const std::string address = fmt::format("127.0.0.1:{}", (*first)->port());
  const auto second = Exposer::Start(address, registry, health);
  REQUIRE_FALSE(second.ok());
  INFO(Message(second.status()));
  CHECK(Contains(Message(second.status()), address));
  CHECK_FALSE(Exposer::Start("not an address", registry, health).ok());
}

}  // namespace
}  // namespace homeport::metrics
