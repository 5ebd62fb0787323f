#include "libs/metrics/exposer.h"

#include <civetweb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "libs/base/strings.h"

namespace homeport::metrics {
namespace {

constexpr const char* kTextType = "text/plain; charset=utf-8";
constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr int kOk = 200;
constexpr int kMethodNotAllowed = 405;
constexpr int kUnavailable = 503;

// A connection holds a thread until it has asked and was answered, and those in front of it are
// waited for. So many that say nothing, opened again whenever they are cut, make a probe wait for
// one such time. Together they take 1 MiB, and 4 once each has rendered the metrics.
constexpr const char* kThreads = "64";
constexpr const char* kSilenceMs = "1000";

bool IsBoundTo(int socket, int port) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port) == port;
  }
  return address.ss_family == AF_INET6 &&
         ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port) == port;
}

// The library looks only every two seconds, on sockets it does not show, whether it is to stop:
// shutting those of its port, the listener and what scrapers keep open, ends the waiting.
void ShutSocketsOf(int port) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    const int socket = std::atoi(entry.path().filename().c_str());
    if (IsBoundTo(socket, port)) ::shutdown(socket, SHUT_RDWR);
  }
}

int Answer(mg_connection* connection, int code, const char* type, std::string_view body) {
  const std::string_view method = mg_get_request_info(connection)->request_method;
  if (method != "GET" && method != "HEAD") {
    code = kMethodNotAllowed;
    body = "GET only\n";
  }
  const std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", code,
      mg_get_response_code_text(connection, code), type, body.size());
  mg_write(connection, head.data(), head.size());
  if (method != "HEAD") mg_write(connection, body.data(), body.size());
  mg_disable_connection_keep_alive(connection);  // nor is a body waited for that nobody reads
  return code;
}

}  // namespace

struct Exposer::Impl {
  const Registry& registry;
  const Health& health;
  std::string error;
  mg_context* server = nullptr;

  Impl(const Registry& r, const Health& h) : registry(r), health(h) {}
  ~Impl() {
    if (server == nullptr) return;
    mg_server_port port{};
    if (mg_get_server_ports(server, 1, &port) == 1) ShutSocketsOf(port.port);
    mg_stop(server);
  }

  static int Metrics(mg_connection* connection, void* data) {
    const auto* self = static_cast<const Impl*>(data);
    return Answer(connection, kOk, kMetricsType, self->registry.Render());
  }
  static int Ready(mg_connection* connection, void* data) {
    const Health& health = static_cast<const Impl*>(data)->health;
    return Answer(connection, health.ready() ? kOk : kUnavailable, kTextType, health.ReadyText());
  }
  static int Live(mg_connection* connection, void* data) {
    const Health& health = static_cast<const Impl*>(data)->health;
    return Answer(connection, health.live() ? kOk : kUnavailable, kTextType, health.LiveText());
  }
  // Returns non-zero: the library prints nothing itself. Only start-up errors are kept, which come
  // from the starting thread.
  static int Log(const mg_connection* connection, const char* message) {
    const mg_context* server = mg_get_context(connection);
    auto* self = static_cast<Impl*>(server == nullptr ? nullptr : mg_get_user_data(server));
    if (self != nullptr && self->server == nullptr) self->error = message;
    return 1;
  }
};

Exposer::Exposer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Exposer::~Exposer() = default;

absl::StatusOr<std::unique_ptr<Exposer>> Exposer::Start(std::string_view listen,
                                                        const Registry& registry,
                                                        const Health& health) {
  auto impl = std::make_unique<Impl>(registry, health);
  const std::string address(listen);
  // Without keep-alive: a scraper that holds its connection must not hold a thread.
  const char* options[] = {"listening_ports",    address.c_str(), "num_threads", kThreads,
                           "request_timeout_ms", kSilenceMs,      nullptr};
  mg_callbacks callbacks{};
  callbacks.log_message = &Impl::Log;
  mg_context* server = mg_start(&callbacks, impl.get(), options);
  if (server == nullptr) {
    return absl::UnavailableError(
        fmt::format("metrics server cannot listen on {}: {}", listen, impl->error));
  }
  impl->server = server;
  mg_set_request_handler(server, "/metrics$", &Impl::Metrics, impl.get());
  mg_set_request_handler(server, "/readyz$", &Impl::Ready, impl.get());
  mg_set_request_handler(server, "/livez$", &Impl::Live, impl.get());
  return std::unique_ptr<Exposer>(new Exposer(std::move(impl)));
}

int Exposer::port() const {
  mg_server_port port{};
  return mg_get_server_ports(impl_->server, 1, &port) == 1 ? port.port : 0;
}

}  // namespace homeport::metrics
