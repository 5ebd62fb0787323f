#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::peer {

// An IPv6 address, or an IPv4 address mapped into it (::ffff:a.b.c.d).
using IpAddress = std::array<uint8_t, 16>;

[[nodiscard]] IpAddress FromIpv4(const std::array<uint8_t, 4>& address);
// Nothing else than one numeric address. INVALID_ARGUMENT.
[[nodiscard]] absl::StatusOr<IpAddress> ParseIp(std::string_view text);

// One end of a TCP connection; all zero where it is unknown.
struct IpEndpoint {
  IpAddress ip{};
  uint16_t port = 0;

  // "192.0.2.1:50123", "[2001:db8::1]:50123"; "?" where it is unknown.
  [[nodiscard]] std::string ToString() const;
  friend bool operator==(const IpEndpoint&, const IpEndpoint&) = default;
};

// A set of addresses: "10.0.0.0/8,2001:db8::/32,192.0.2.7". Immutable.
class IpSet {
 public:
  IpSet() = default;
  // An empty text is the empty set. INVALID_ARGUMENT names the item that is no address or range.
  [[nodiscard]] static absl::StatusOr<IpSet> Parse(std::string_view text);

  [[nodiscard]] bool Contains(const IpAddress& ip) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  struct Range {
    IpAddress first{};
    unsigned bits = 128;
  };
  std::vector<Range> ranges_;
};

}  // namespace homeport::peer
