#include "libs/metrics/exposer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

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

// Connections that never say what they want, or never say all of it: whenever one is cut, another
// takes its place.
class Idlers {
 public:
  Idlers(int port, size_t count, std::string says) : port_(port), says_(std::move(says)) {
    while (all_.size() < count) all_.push_back({Open(), POLLIN, 0});
  }
  ~Idlers() {
    for (const pollfd& idler : all_) close(idler.fd);
  }
  Idlers(const Idlers&) = delete;
  Idlers& operator=(const Idlers&) = delete;

  // How long an answer to `request` takes, -1 for more than `limit_ms`.
  int64_t AnswerMs(const std::string& request, int64_t limit_ms) {
    const int64_t begun_us = MonotonicMicros();
    const int asks = Connect(port_);
    REQUIRE(write(asks, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
    int64_t passed_ms = 0;
    bool answered = false;
    all_.push_back({asks, POLLIN, 0});
    while (!answered && passed_ms < limit_ms) {
      REQUIRE(poll(all_.data(), all_.size(), static_cast<int>(limit_ms - passed_ms)) >= 0);
      answered = all_.back().revents != 0;
      for (size_t i = 0; i + 1 < all_.size(); ++i) {
        if (all_[i].revents == 0) continue;
        close(all_[i].fd);
        all_[i].fd = Open();
        ++cut;
      }
      passed_ms = (MonotonicMicros() - begun_us) / 1000;
    }
    all_.pop_back();
    char status[12] = {};
    if (answered) answered = read(asks, status, sizeof status) == sizeof status;
    close(asks);
    return answered && std::string_view(status, sizeof status) == "HTTP/1.1 200" ? passed_ms : -1;
  }

  size_t cut = 0;

 private:
  int Open() const {
    const int fd = Connect(port_);
    if (!says_.empty()) {
      REQUIRE(write(fd, says_.data(), says_.size()) == static_cast<ssize_t>(says_.size()));
    }
    return fd;
  }

  const int port_;
  const std::string says_;
  std::vector<pollfd> all_;
};

TEST_CASE("who asks is answered beside connections that say nothing, opened again and again") {
  const Registry registry;
  const Health health;
  const auto exposer = Exposer::Start("127.0.0.1:0", registry, health);
  REQUIRE(exposer.ok());
  struct Row {
    size_t idlers;
    const char* says;
  };
  const Row rows[] = {{8, ""}, {64, ""}, {64, "GET /livez HTT"}};
  constexpr int64_t kLimitMs = 2000;
  for (const Row& row : rows) {
    INFO(row.idlers << " that say '" << row.says << "'");
    Idlers idlers((*exposer)->port(), row.idlers, row.says);
    do {
      const int64_t answer_ms = idlers.AnswerMs("GET /livez HTTP/1.1\r\n\r\n", kLimitMs);
      REQUIRE(answer_ms >= 0);
    } while (idlers.cut < 2 * row.idlers);  // until each has come again
  }
}

TEST_CASE("a body that nobody reads is not waited for") {
  const Registry registry;
  const Health health;
  const auto exposer = Exposer::Start("127.0.0.1:0", registry, health);
  REQUIRE(exposer.ok());
  const int fd = Connect((*exposer)->port());
  const std::string head = "POST /livez HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
  REQUIRE(write(fd, head.data(), head.size()) == static_cast<ssize_t>(head.size()));
  const int64_t begun_us = MonotonicMicros();
  constexpr int64_t kLimitUs = 3'000'000;
  ssize_t got = 1;
  while (got > 0 && MonotonicMicros() - begun_us < kLimitUs) {
    static_cast<void>(send(fd, "x", 1, MSG_NOSIGNAL));  // never a second of silence
    pollfd wait = {fd, POLLIN, 0};
    char answer[4096];
    if (poll(&wait, 1, 100) > 0) got = read(fd, answer, sizeof answer);
  }
  CHECK(got <= 0);
  close(fd);
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
