#include "libs/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstring>

#include "libs/base/strings.h"

namespace homeport::net {

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (!text.empty() && text.front() == '/') return Address{"", "", std::string(text)};
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) {
    return absl::InvalidArgumentError(
        fmt::format("address '{}' is neither host:port nor the path of a unix socket", text));
  }
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || parsed != end || port < 0 || port > 65'535) {
    return absl::InvalidArgumentError(
        fmt::format("address '{}': the port is no number up to 65535", text));
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return Address{std::string(host), std::string(text.substr(colon + 1)), ""};
}

absl::StatusOr<SocketAddress> Resolve(const Address& address) {
  SocketAddress out;
  if (address.is_unix()) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (address.path.size() >= sizeof un.sun_path) {
      return absl::InvalidArgumentError(fmt::format("unix socket path '{}' is longer than {} bytes",
                                                    address.path, sizeof un.sun_path - 1));
    }
    std::memcpy(un.sun_path, address.path.data(), address.path.size());
    std::memcpy(&out.storage, &un, sizeof un);
    out.size = sizeof un;
    return out;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(
        fmt::format("address '{}:{}': {}", address.host, address.port, gai_strerror(error)));
  }
  std::memcpy(&out.storage, found->ai_addr, found->ai_addrlen);
  out.size = found->ai_addrlen;
  freeaddrinfo(found);
  return out;
}

bool IsLoopback(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof in);
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address.storage, sizeof in);
    return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
  }
  return address.storage.ss_family == AF_UNIX;
}

peer::IpEndpoint EndpointOf(const SocketAddress& address) {
  peer::IpEndpoint endpoint;
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof in);
    std::array<uint8_t, 4> ip;
    std::memcpy(ip.data(), &in.sin_addr, ip.size());
    endpoint = {peer::FromIpv4(ip), ntohs(in.sin_port)};
  } else if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address.storage, sizeof in);
    std::memcpy(endpoint.ip.data(), &in.sin6_addr, endpoint.ip.size());
    endpoint.port = ntohs(in.sin6_port);
  }
  return endpoint;
}

std::string ToString(const SocketAddress& address) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  sockaddr_storage storage = address.storage;
  const int error =
      getnameinfo(static_cast<const sockaddr*>(static_cast<void*>(&storage)), address.size, host,
                  sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  return error == 0 ? fmt::format("{}:{}", host, port) : "?";
}

std::string PeerOf(int fd) {
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  auto* storage = static_cast<sockaddr*>(static_cast<void*>(&peer.storage));
  if (getpeername(fd, storage, &peer.size) != 0) return "?";
  return ToString(peer);
}

}  // namespace homeport::net
