#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libs/tls13/engine.h"
#include "libs/tls13/record_layer.h"

namespace homeport::net {

// Which application protocols a listener answers to (ALPN).
enum class AlpnSet : uint8_t {
  kMqtt,       // mqtt, x-amzn-mqtt-ca
  kWebSocket,  // http/1.1
};

// What must be known of one server handshake and OpenSSL does not tell afterwards: the traffic
// secrets, and how many records went over under them. Owned by its SSL; wiped when it goes.
class TlsHandshake {
 public:
  // Makes the callbacks of `context` that observe every handshake in it: all in one thread.
  static void Observe(SSL_CTX* context);
  // Begins to observe `ssl`. REQUIRES: its context is observed.
  static void Attach(SSL* ssl, AlpnSet alpn);
  // Ends it. To be called before SSL_free.
  static void Detach(SSL* ssl);
  [[nodiscard]] static const TlsHandshake* Of(const SSL* ssl);

  [[nodiscard]] AlpnSet alpn() const { return alpn_; }

  // The session of a finished handshake, to go on without `ssl`, which keeps its socket untouched.
  // nullptr where it must stay with OpenSSL: TLS 1.2, early data, a record size negotiated, bytes
  // that OpenSSL holds, or anything else out of the ordinary.
  [[nodiscard]] static tls13::RecordLayer::Ptr TakeOver(SSL* ssl, tls13::Engine& engine);

 private:
  struct Secret {
    std::array<uint8_t, tls13::kSecretBytesMax> bytes;
    size_t size = 0;
    uint64_t records = 0;  // that OpenSSL has sealed or opened since the secret is in use
  };

  explicit TlsHandshake(AlpnSet alpn) : alpn_(alpn) {}
  ~TlsHandshake();
  static void OnKeyLog(const SSL* ssl, const char* line);
  static void OnMessage(int is_write, int version, int content_type, const void* bytes, size_t size,
                        SSL* ssl, void* arg);
  [[nodiscard]] bool IsClean(SSL* ssl) const;

  const AlpnSet alpn_;
  Secret client_;
  Secret server_;
};

// Why a handshake failed, in a word for a metric's label: of OpenSSL's error queue, which it
// empties.
[[nodiscard]] std::string_view TakeHandshakeFailure();

}  // namespace homeport::net
