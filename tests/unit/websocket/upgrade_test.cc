#include "libs/websocket/upgrade.h"

#include <catch2/catch.hpp>
#include <string>

namespace homeport::websocket {
namespace {

constexpr size_t kHeadBytesMax = 4096;

// The request of RFC 6455, 1.3, for MQTT.
const std::string kRequest =
    "GET /mqtt HTTP/1.1\r\n"
    "Host: gateway.example\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

std::string With(const std::string& from, const std::string& to) {
  std::string request = kRequest;
  const size_t at = request.find(from);
  REQUIRE(at != std::string::npos);
  return request.replace(at, from.size(), to);
}

std::string StatusOf(const std::string& request) {
  return ReadUpgrade(request, kHeadBytesMax).response.substr(9, 3);
}

TEST_CASE("An upgrade to MQTT is accepted with the key's answer") {
  const UpgradeResult result = ReadUpgrade(kRequest + "frames", kHeadBytesMax);
  REQUIRE(result.kind == UpgradeResult::Kind::kAccepted);
  CHECK(result.bytes_taken == kRequest.size());
  CHECK(result.response ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n"
        "\r\n");
}

TEST_CASE("Every beginning of a request waits for the rest") {
  for (size_t size = 0; size < kRequest.size(); ++size) {
    CAPTURE(size);
    CHECK(ReadUpgrade(kRequest.substr(0, size), kHeadBytesMax).kind ==
          UpgradeResult::Kind::kNeedMore);
  }
}

TEST_CASE("Requests a browser, a proxy or an SDK may write") {
  struct Row {
    const char* name;
    std::string request;
    const char* subprotocol;
  };
  const Row rows[] = {
      {"old subprotocol", With("Protocol: mqtt", "Protocol: mqttv3.1"), "mqttv3.1"},
      {"list of subprotocols", With("Protocol: mqtt", "Protocol: x , mqttv3.1,mqtt"), "mqttv3.1"},
      {"subprotocols in two headers",
       With("Protocol: mqtt", "Protocol: x\r\nSec-WebSocket-Protocol: mqtt"), "mqtt"},
      {"no path", With("GET /mqtt", "GET /"), "mqtt"},
      {"whole address", With("GET /mqtt", "GET http://homeport.example/mqtt"), "mqtt"},
      {"address without a path", With("GET /mqtt", "GET https://homeport.example"), "mqtt"},
      {"signed query", With("GET /mqtt", "GET /mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256"), "mqtt"},
      {"list of connection options", With("Connection: U", "Connection: keep-alive, U"), "mqtt"},
      {"other case", With("Upgrade: websocket", "uPGRADE: WebSocket"), "mqtt"},
      {"a body of no bytes", With("Host:", "Content-Length: 0\r\nHost:"), "mqtt"},
      {"extensions not spoken here",
       With("Upgrade:", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade:"), "mqtt"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const UpgradeResult result = ReadUpgrade(row.request, kHeadBytesMax);
    CHECK(result.kind == UpgradeResult::Kind::kAccepted);
    CHECK(result.response.find("Sec-WebSocket-Protocol: " + std::string(row.subprotocol) +
                               "\r\n") != std::string::npos);
    CHECK(result.response.find("Extensions") == std::string::npos);
  }
}

TEST_CASE("Bad upgrades get the HTTP status that says why") {
  struct Row {
    const char* name;
    std::string request;
    const char* status;
  };
  const Row rows[] = {
      {"MQTT instead of HTTP", "\x10\x0c\x00\x04MQTT\x04\x02", "400"},
      {"other method", With("GET", "POST"), "405"},
      {"other path", With("/mqtt", "/ws"), "404"},
      {"other path of an address", With("/mqtt", "http://homeport.example/ws"), "404"},
      {"longer path", With("/mqtt", "/mqtt2"), "404"},
      {"HTTP/1.0", With("HTTP/1.1", "HTTP/1.0"), "400"},
      {"HTTP/2.0", With("HTTP/1.1", "HTTP/2.0"), "505"},
      {"a body", With("Host:", "Content-Length: 5\r\nHost:"), "400"},
      {"a body in chunks", With("Host:", "Transfer-Encoding: chunked\r\nHost:"), "400"},
      {"no host", With("Host: gateway.example\r\n", ""), "400"},
      {"a blank before a colon", With("Host:", "X : a\r\nHost:"), "400"},
      {"two hosts", With("Host:", "Host: a\r\nHost:"), "400"},
      {"no upgrade", With("Upgrade: websocket\r\n", ""), "426"},
      {"upgrade to something else", With("Upgrade: websocket", "Upgrade: h2c"), "426"},
      {"no connection option", With("Connection: Upgrade", "Connection: close"), "426"},
      {"old version", With("Version: 13", "Version: 8"), "426"},
      {"no version", With("Sec-WebSocket-Version: 13\r\n", ""), "426"},
      {"no key", With("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), "400"},
      {"short key", With("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSA="), "400"},
      {"key that is no base64", With("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub2*jZQ=="),
       "400"},
      {"two keys", With("Sec-WebSocket-Key:", "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key:"), "400"},
      {"no subprotocol", With("Sec-WebSocket-Protocol: mqtt\r\n", ""), "400"},
      {"other subprotocol", With("Protocol: mqtt", "Protocol: mqttv5"), "400"},
      {"head too large", With("Host:", "X: " + std::string(kHeadBytesMax, 'x') + "\r\nHost:"),
       "431"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(ReadUpgrade(row.request, kHeadBytesMax).kind == UpgradeResult::Kind::kRefused);
    CHECK(StatusOf(row.request) == row.status);
  }
}

}  // namespace
}  // namespace homeport::websocket
