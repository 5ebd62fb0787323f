#pragma once

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::rpc {

struct ServerOptions {
  std::string listen = {};    // "host:port"; port 0 picks a free one
  std::string tls_cert = {};  // PEM files, read again when they change; both empty: plaintext
  std::string tls_key = {};
};

// A running gRPC server with health checking and reflection, and keep-alive settings made for
// phones: clients may ping every 10 s, with or without calls; the server pings after 60 s of
// silence; connections end after 30 min and a 30 s grace.
class Server {
 public:
  // Serves from the return on. `services` are borrowed and must outlive the server.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options, const std::vector<grpc::Service*>& services);
  // As Shutdown with one second.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] int port() const;

  // Health checks answer NOT_SERVING from now on; calls go on. The first step of a drain.
  void SetNotServing();

  // Refuses new calls, waits for running ones, cancels those left after `deadline_ms`. Streams end
  // only by their handlers or by that cancellation; idle channels are closed at once.
  void Shutdown(int64_t deadline_ms);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace homeport::rpc
