#include "services/fleet/io/endpoint.h"

#include <fmt/format.h>
#include <netdb.h>

#include <cstring>
#include <memory>

#include "libs/base/status.h"

namespace homeport::fleet {

absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is not host:port", text));
  }
  Endpoint endpoint;
  endpoint.text = text;
  endpoint.host = text.substr(0, colon);
  if (endpoint.host.size() > 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']') {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port(text.substr(colon + 1));
  if (const int error = getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &found)) {
    return absl::UnavailableError(fmt::format("{}: {}", text, gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  std::memcpy(&endpoint.address, list->ai_addr, list->ai_addrlen);
  endpoint.address_bytes = list->ai_addrlen;
  return endpoint;
}

absl::StatusOr<std::vector<Endpoint>> ResolveEndpoints(std::string_view list) {
  std::vector<Endpoint> endpoints;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    HP_ASSIGN_OR_RETURN(Endpoint endpoint, ResolveEndpoint(list.substr(0, comma)));
    endpoints.push_back(std::move(endpoint));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  if (endpoints.empty()) return absl::InvalidArgumentError("no address is given");
  return endpoints;
}

}  // namespace homeport::fleet
