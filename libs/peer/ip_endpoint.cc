#include "libs/peer/ip_endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::peer {
namespace {

constexpr size_t kMappedBytes = 12;  // before the IPv4 address
constexpr std::array<uint8_t, kMappedBytes> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool IsIpv4(const IpAddress& ip) { return std::equal(kMapped.begin(), kMapped.end(), ip.begin()); }

}  // namespace

IpAddress FromIpv4(const std::array<uint8_t, 4>& address) {
  IpAddress ip{};
  std::copy(kMapped.begin(), kMapped.end(), ip.begin());
  std::copy(address.begin(), address.end(), ip.begin() + kMappedBytes);
  return ip;
}

absl::StatusOr<IpAddress> ParseIp(std::string_view text) {
  const std::string copy(text);
  std::array<uint8_t, 4> ipv4;
  if (inet_pton(AF_INET, copy.c_str(), ipv4.data()) == 1) return FromIpv4(ipv4);
  IpAddress ip;
  if (copy.find('\0') == std::string::npos && inet_pton(AF_INET6, copy.c_str(), ip.data()) == 1) {
    return ip;
  }
  return absl::InvalidArgumentError(fmt::format("'{}' is no IP address", text));
}

std::string IpEndpoint::ToString() const {
  if (*this == IpEndpoint()) return "?";
  char text[INET6_ADDRSTRLEN];
  if (IsIpv4(ip)) {
    inet_ntop(AF_INET, ip.data() + kMappedBytes, text, sizeof text);
    return fmt::format("{}:{}", text, port);
  }
  inet_ntop(AF_INET6, ip.data(), text, sizeof text);
  return fmt::format("[{}]:{}", text, port);
}

absl::StatusOr<IpSet> IpSet::Parse(std::string_view text) {
  IpSet set;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t slash = item.find('/');
    Range range;
    HP_ASSIGN_OR_RETURN(range.first, ParseIp(item.substr(0, slash)));
    if (slash != std::string_view::npos) {
      const unsigned bits_max = IsIpv4(range.first) ? 32 : 128;
      const std::string_view digits = item.substr(slash + 1);
      unsigned bits = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      if (error != std::errc() || end != digits.data() + digits.size() || bits > bits_max) {
        return absl::InvalidArgumentError(fmt::format("'{}' is no address range", item));
      }
      range.bits = 128 - bits_max + bits;
    }
    set.ranges_.push_back(range);
  }
  return set;
}

bool IpSet::Contains(const IpAddress& ip) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&ip](const Range& range) {
    const size_t whole = range.bits / 8;
    if (!std::equal(ip.begin(), ip.begin() + static_cast<ptrdiff_t>(whole), range.first.begin())) {
      return false;
    }
    const unsigned rest = range.bits % 8;
    return rest == 0 || ((ip[whole] ^ range.first[whole]) >> (8 - rest)) == 0;
  });
}

}  // namespace homeport::peer
