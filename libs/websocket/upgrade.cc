#include "libs/websocket/upgrade.h"

#include <http_parser.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "libs/base/strings.h"

namespace homeport::websocket {
namespace {

constexpr std::string_view kPaths[] = {"/mqtt", "/"};
constexpr std::string_view kSubprotocols[] = {"mqtt", "mqttv3.1"};
constexpr std::string_view kAcceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
constexpr size_t kKeyBytes = 16;
constexpr size_t kKeyTextBytes = 24;

// The header fields that decide. The parser itself knows Connection, Upgrade and the lengths.
enum Field : size_t { kHost, kUpgrade, kKey, kVersion, kProtocol, kFields, kOther = kFields };
constexpr std::array<std::string_view, kFields> kFieldNames = {
    "host", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"};

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return lower(x) == lower(y);
  });
}

// What the parser tells of a request, as text of its own: a value may come in pieces.
struct Request {
  std::string target;
  std::string name;
  std::array<std::string, kFields> values;
  std::array<int, kFields> times{};
  size_t field = kOther;
  bool in_value = false;
  bool connection_upgrade = false;  // Connection names the option
  bool has_body = false;            // as its header says
  bool complete = false;
};

Request& RequestOf(http_parser* parser) { return *static_cast<Request*>(parser->data); }

int OnTarget(http_parser* parser, const char* at, size_t size) {
  RequestOf(parser).target.append(at, size);
  return 0;
}

int OnName(http_parser* parser, const char* at, size_t size) {
  Request& request = RequestOf(parser);
  if (request.in_value) {
    request.name.clear();
    request.in_value = false;
  }
  request.name.append(at, size);
  return 0;
}

int OnValue(http_parser* parser, const char* at, size_t size) {
  Request& request = RequestOf(parser);
  if (!request.in_value) {
    // No blank stands before the colon (RFC 9112 section 5.1); the parser lets it pass.
    if (request.name.ends_with(' ') || request.name.ends_with('\t')) return 1;
    request.in_value = true;
    request.field = 0;
    while (request.field < kFields &&
           !EqualIgnoringCase(request.name, kFieldNames[request.field])) {
      ++request.field;
    }
    if (request.field != kOther && request.times[request.field]++ > 0) {
      request.values[request.field].append(",");
    }
  }
  if (request.field != kOther) request.values[request.field].append(at, size);
  return 0;
}

int OnHeadersComplete(http_parser* parser) {
  Request& request = RequestOf(parser);
  request.complete = true;
  request.connection_upgrade = (parser->flags & F_CONNECTION_UPGRADE) != 0;
  request.has_body = (parser->flags & F_CHUNKED) != 0 ||
                     ((parser->flags & F_CONTENTLENGTH) != 0 && parser->content_length != 0);
  return 2;  // what follows is no body for the parser to read
}

http_parser_settings Settings() {
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_url = OnTarget;
  settings.on_header_field = OnName;
  settings.on_header_value = OnValue;
  settings.on_headers_complete = OnHeadersComplete;
  return settings;
}

// Calls use(item) for each item of a comma-separated list until it answers true.
template <typename Use>
bool AnyItem(std::string_view list, Use use) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    const size_t first = std::min(item.find_first_not_of(" \t"), item.size());
    item.remove_prefix(first);
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (!item.empty() && use(item)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// The client's first choice among those spoken here.
std::optional<std::string_view> ChooseSubprotocol(std::string_view offered) {
  std::optional<std::string_view> chosen;
  AnyItem(offered, [&chosen](std::string_view item) {
    for (const std::string_view known : kSubprotocols) {
      if (item == known) chosen = known;
    }
    return chosen.has_value();
  });
  return chosen;
}

bool IsKey(std::string_view text) {
  if (text.size() != kKeyTextBytes) return false;
  std::array<unsigned char, kKeyTextBytes> bytes;
  const int size =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  // DecodeBlock counts the padding's bytes: 18 for the 16 of a key.
  return size == static_cast<int>(kKeyBytes) + 2 && text.substr(kKeyTextBytes - 2) == "==";
}

std::string AcceptOf(std::string_view key) {
  const std::string text = std::string(key) + std::string(kAcceptSuffix);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded;
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return std::string(reinterpret_cast<const char*>(encoded.data()), static_cast<size_t>(length));
}

UpgradeResult Refuse(std::string_view status, std::string_view why,
                     std::string_view more_headers = {}) {
  UpgradeResult result;
  result.kind = UpgradeResult::Kind::kRefused;
  result.why = why;
  result.response = fmt::format(
      "HTTP/1.1 {}\r\n{}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
      "{}\n",
      status, more_headers, why.size() + 1, why);
  return result;
}

UpgradeResult Accept(std::string_view key, std::string_view subprotocol, size_t bytes_taken) {
  UpgradeResult result;
  result.kind = UpgradeResult::Kind::kAccepted;
  result.bytes_taken = bytes_taken;
  result.response = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
      AcceptOf(key), subprotocol);
  return result;
}

// Of "http://host/path" the path (RFC 7230, 5.3.2).
std::string_view WithoutAuthority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const size_t path = target.find('/', scheme.size());
    return path == std::string_view::npos ? "/" : target.substr(path);
  }
  return target;
}

UpgradeResult Judge(const http_parser& parser, const Request& request, size_t bytes_taken) {
  constexpr std::string_view kWanted = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  if (parser.method != HTTP_GET) {
    return Refuse("405 Method Not Allowed", "the method is not GET", "Allow: GET\r\n");
  }
  const std::string_view target = WithoutAuthority(request.target);
  const std::string_view path = target.substr(0, target.find('?'));
  if (std::find(std::begin(kPaths), std::end(kPaths), path) == std::end(kPaths)) {
    return Refuse("404 Not Found", "neither /mqtt nor /");
  }
  if (parser.http_major > 1) return Refuse("505 HTTP Version Not Supported", "not HTTP/1.1");
  if (parser.http_major < 1 || parser.http_minor < 1) {
    return Refuse("400 Bad Request", "HTTP older than 1.1");
  }
  // A proxy may take for a request, or for another client's, what is read as frames here.
  if (request.has_body) return Refuse("400 Bad Request", "an upgrade has no body");
  if (request.times[kHost] != 1) return Refuse("400 Bad Request", "not exactly one Host header");
  const bool upgrades = AnyItem(request.values[kUpgrade], [](std::string_view item) {
    return EqualIgnoringCase(item, "websocket");
  });
  if (!request.connection_upgrade || !upgrades) {
    return Refuse("426 Upgrade Required", "not an upgrade to websocket", kWanted);
  }
  if (request.values[kVersion] != "13") {
    return Refuse("426 Upgrade Required", "the WebSocket version is not 13", kWanted);
  }
  if (!IsKey(request.values[kKey])) {
    return Refuse("400 Bad Request", "Sec-WebSocket-Key is not the base64 of 16 bytes");
  }
  const auto subprotocol = ChooseSubprotocol(request.values[kProtocol]);
  if (!subprotocol) return Refuse("400 Bad Request", "no subprotocol mqtt or mqttv3.1 is offered");
  return Accept(request.values[kKey], *subprotocol, bytes_taken);
}

}  // namespace

UpgradeResult ReadUpgrade(std::string_view bytes, size_t head_bytes_max) {
  static const http_parser_settings settings = Settings();
  Request request;
  http_parser parser;
  http_parser_init(&parser, HTTP_REQUEST);
  parser.data = &request;
  const std::string_view head = bytes.substr(0, head_bytes_max);
  const size_t parsed = http_parser_execute(&parser, &settings, head.data(), head.size());
  if (request.complete) return Judge(parser, request, parsed);
  if (HTTP_PARSER_ERRNO(&parser) != HPE_OK) return Refuse("400 Bad Request", "not an HTTP request");
  if (bytes.size() >= head_bytes_max) {
    return Refuse("431 Request Header Fields Too Large", "the request's head is too large");
  }
  return {};
}

}  // namespace homeport::websocket
