#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/peer/ip_endpoint.h"

namespace homeport::net {

// "127.0.0.1:1883", "[::1]:1883", "host:1883", or the path of a unix socket ("/run/redis.sock").
struct Address {
  std::string host;  // empty for a unix socket
  std::string port;
  std::string path;  // of a unix socket

  [[nodiscard]] bool is_unix() const { return !path.empty(); }
};

[[nodiscard]] absl::StatusOr<Address> ParseAddress(std::string_view text);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// Resolves through getaddrinfo: blocks on names that are not numeric. For start-up.
[[nodiscard]] absl::StatusOr<SocketAddress> Resolve(const Address& address);

[[nodiscard]] bool IsLoopback(const SocketAddress& address);

// Unknown for families other than IP.
[[nodiscard]] peer::IpEndpoint EndpointOf(const SocketAddress& address);

// "127.0.0.1:50123"; "?" for families other than IP.
[[nodiscard]] std::string ToString(const SocketAddress& address);
// The remote end of a connected socket.
[[nodiscard]] std::string PeerOf(int fd);

}  // namespace homeport::net
