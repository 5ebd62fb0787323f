#include "libs/peer/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace homeport::peer {
namespace {

using Kind = ProxyHeader::Kind;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr size_t kLineBytesMax = 107;  // with CR LF
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixedBytes2 = 16;
constexpr uint8_t kCommandLocal = 0x20;
constexpr uint8_t kCommandProxy = 0x21;
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;

constexpr ProxyHeader kBroken = {.kind = Kind::kError};

uint8_t ByteAt(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

uint16_t NumberAt(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(ByteAt(bytes, at) << 8 | ByteAt(bytes, at + 1));
}

// Takes the text up to the next blank, and the blank, off the front.
std::string_view TakeWord(std::string_view& line) {
  const size_t blank = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, blank);
  line.remove_prefix(std::min(blank + 1, line.size()));
  return word;
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return port;
}

bool IsIpv6(std::string_view address) { return address.find(':') != std::string_view::npos; }

// The line without its end: PROXY TCP4 <source> <destination> <source port> <destination port>
ProxyHeader ParseLine(std::string_view line, size_t bytes) {
  ProxyHeader header{.kind = Kind::kHeader, .bytes = bytes};
  line.remove_prefix(kSignature1.size());
  const std::string_view family = TakeWord(line);
  if (family == "UNKNOWN") return header;
  const bool is_tcp4 = family == "TCP4";
  if (!is_tcp4 && family != "TCP6") return kBroken;
  const std::string_view source = TakeWord(line);
  const std::string_view destination = TakeWord(line);
  const auto source_port = ParsePort(TakeWord(line));
  const auto destination_port = ParsePort(line);
  const auto ip = ParseIp(source);
  if (!ip.ok() || !ParseIp(destination).ok() || !source_port || !destination_port) return kBroken;
  if (IsIpv6(source) == is_tcp4 || IsIpv6(destination) == is_tcp4) return kBroken;
  header.proxied = true;
  header.source = {*ip, *source_port};
  return header;
}

ProxyHeader ReadVersion1(std::string_view bytes) {
  const size_t end = bytes.substr(0, kLineBytesMax).find('\n');
  if (end == std::string_view::npos) {
    return bytes.size() < kLineBytesMax ? ProxyHeader() : kBroken;
  }
  if (bytes[end - 1] != '\r') return kBroken;
  return ParseLine(bytes.substr(0, end - 1), end + 1);
}

IpEndpoint SourceOf(std::string_view addresses, uint8_t family) {
  IpEndpoint source;
  if (family == kTcp4) {
    std::array<uint8_t, 4> ipv4;
    std::copy_n(addresses.begin(), ipv4.size(), ipv4.begin());
    source.ip = FromIpv4(ipv4);
    source.port = NumberAt(addresses, 2 * ipv4.size());
  } else {
    std::copy_n(addresses.begin(), source.ip.size(), source.ip.begin());
    source.port = NumberAt(addresses, 2 * source.ip.size());
  }
  return source;
}

ProxyHeader ReadVersion2(std::string_view bytes) {
  if (bytes.size() < kFixedBytes2) return {};
  const uint8_t command = ByteAt(bytes, 12);
  const uint8_t family = ByteAt(bytes, 13);
  const size_t size = NumberAt(bytes, 14);
  if (command != kCommandLocal && command != kCommandProxy) return kBroken;
  if (kFixedBytes2 + size > kProxyHeaderBytesMax) return kBroken;
  if (bytes.size() < kFixedBytes2 + size) return {};
  ProxyHeader header{.kind = Kind::kHeader, .bytes = kFixedBytes2 + size};
  if (command == kCommandLocal) return header;
  // Families other than TCP carry no address a device could have.
  if (family != kTcp4 && family != kTcp6) return header;
  constexpr size_t kAddressBytes4 = 12;
  constexpr size_t kAddressBytes6 = 36;
  if (size < (family == kTcp4 ? kAddressBytes4 : kAddressBytes6)) return kBroken;
  header.proxied = true;
  header.source = SourceOf(bytes.substr(kFixedBytes2), family);
  return header;
}

bool Begins(std::string_view bytes, std::string_view signature) {
  const size_t common = std::min(bytes.size(), signature.size());
  return bytes.substr(0, common) == signature.substr(0, common);
}

}  // namespace

ProxyHeader ReadProxyHeader(std::string_view bytes) {
  if (Begins(bytes, kSignature1)) return ReadVersion1(bytes);
  if (Begins(bytes, kSignature2)) return ReadVersion2(bytes);
  return kBroken;
}

}  // namespace homeport::peer
