#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::fleet {

// A server to connect to, resolved.
struct Endpoint {
  std::string text;  // "host:port" as given
  std::string host;  // what its certificate must name
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
  sockaddr_storage source{};   // connects from this address, of the same family
  socklen_t source_bytes = 0;  // 0: from any
};

// "host:port", or "[ipv6]:port". Blocks on name resolution; takes the first address.
[[nodiscard]] absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view text);

// The same for a list joined by commas, which must not be empty.
[[nodiscard]] absl::StatusOr<std::vector<Endpoint>> ResolveEndpoints(std::string_view list);

}  // namespace homeport::fleet
