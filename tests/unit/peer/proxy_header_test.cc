#include "libs/peer/proxy_header.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>

namespace homeport::peer {
namespace {

using Kind = ProxyHeader::Kind;

// Reads from a block of just the right size.
ProxyHeader Read(const std::string& bytes) {
  const std::unique_ptr<char[]> block(new char[bytes.size()]);
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  return ReadProxyHeader({block.get(), bytes.size()});
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string Version2(const std::string& command_and_family, const std::string& rest) {
  const char size[] = {static_cast<char>(rest.size() >> 8), static_cast<char>(rest.size())};
  return kSignature + command_and_family + std::string(size, 2) + rest;
}

const std::string kTcp4Addresses(
    "\xc0\x00\x02\x01"
    "\xc0\x00\x02\x02"
    "\xc3\x50"
    "\x22\xb3",
    12);
const std::string kTcp6Addresses = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) +
                                   std::string(16, '\0') + std::string("\xc3\x50\x22\xb3", 4);

TEST_CASE("Headers of both versions name the client") {
  struct Row {
    const char* name;
    std::string bytes;
    const char* source;
  };
  const Row rows[] = {
      {"1, TCP4", "PROXY TCP4 192.0.2.1 192.0.2.2 50000 8883\r\n", "192.0.2.1:50000"},
      {"1, TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 50000 8883\r\n", "[2001:db8::1]:50000"},
      {"1, unknown", "PROXY UNKNOWN\r\n", "?"},
      {"1, unknown with words", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "?"},
      {"2, TCP4", Version2("\x21\x11", kTcp4Addresses), "192.0.2.1:50000"},
      {"2, TCP4 with extensions", Version2("\x21\x11", kTcp4Addresses + std::string(300, 'x')),
       "192.0.2.1:50000"},
      {"2, TCP6", Version2("\x21\x21", kTcp6Addresses), "[2001:db8::1]:50000"},
      {"2, local", Version2(std::string("\x20\x00", 2), ""), "?"},
      {"2, local with addresses", Version2("\x20\x11", kTcp4Addresses), "?"},
      {"2, unix socket", Version2("\x21\x31", std::string(216, 'x')), "?"},
      {"2, unspecified", Version2(std::string("\x21\x00", 2), ""), "?"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const ProxyHeader header = Read(row.bytes + "MQTT follows\n");
    REQUIRE(header.kind == Kind::kHeader);
    CHECK(header.bytes == row.bytes.size());
    CHECK(header.source.ToString() == row.source);
    CHECK(header.proxied == (std::string_view(row.source) != "?"));
    for (size_t size = 0; size < row.bytes.size(); ++size) {
      CAPTURE(size);
      CHECK(Read(row.bytes.substr(0, size)).kind == Kind::kNeedMore);
    }
  }
}

TEST_CASE("What is no header is an error at once") {
  struct Row {
    const char* name;
    std::string bytes;
  };
  const Row rows[] = {
      {"MQTT", std::string("\x10\x0c\x00\x04MQTT", 8)},
      {"TLS", "\x16\x03\x01"},
      {"1, other word", "PROXIES TCP4"},
      {"1, other family", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"},
      {"1, no carriage return", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"},
      {"1, bad address", "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n"},
      {"1, address of the other family", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"},
      {"1, destination of the other family", "PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n"},
      {"1, port too large", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"},
      {"1, port missing", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"},
      {"1, one word more", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"},
      {"1, line too long", "PROXY UNKNOWN " + std::string(93, 'x')},
      {"2, other signature", std::string("\r\n\r\n\0\r\nQUIT\r", 12)},
      {"2, other version", Version2("\x11\x11", kTcp4Addresses)},
      {"2, other command", Version2("\x22\x11", kTcp4Addresses)},
      {"2, addresses cut", Version2("\x21\x11", kTcp4Addresses.substr(1))},
      {"2, addresses of the other family", Version2("\x21\x21", kTcp4Addresses)},
      {"2, too long", kSignature + std::string("\x21\x11\x08\x00", 4)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(Read(row.bytes).kind == Kind::kError);
  }
}

}  // namespace
}  // namespace homeport::peer
