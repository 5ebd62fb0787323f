#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libs/peer/ip_endpoint.h"

namespace homeport::peer {

// What a load balancer says of a connection before its first byte: PROXY protocol, version 1 (a
// line of text) or 2 (binary).
struct ProxyHeader {
  enum class Kind : uint8_t {
    kNeedMore,  // every byte given belongs to the header, and it has more
    kHeader,
    kError,
  };
  Kind kind = Kind::kNeedMore;
  size_t bytes = 0;        // of the header
  bool proxied = false;    // `source` is the client; otherwise the balancer speaks for itself
  IpEndpoint source = {};  // unknown where the client did not come over TCP
};

inline constexpr size_t kProxyHeaderBytesMax = 2048;

// Reads the header at the front of `bytes`; one of more than kProxyHeaderBytesMax is an error.
// Pure.
[[nodiscard]] ProxyHeader ReadProxyHeader(std::string_view bytes);

}  // namespace homeport::peer
