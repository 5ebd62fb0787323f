#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/net/ticket_keys.h"
#include "libs/net/tls_handshake.h"
#include "libs/tls13/engine.h"

namespace homeport::net {

struct SslCtxFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslCtxFree>;

// What a server's TLS files hold.
struct TlsMaterial {
  std::string certificate_chain;  // PEM
  std::string key;                // PEM
  std::string ticket_keys;        // TicketKeys::Parse
};

// The server side of TLS 1.2 and 1.3 for one reactor: it shares nothing with others, since threads
// that share a context or an algorithm wait for each other inside OpenSSL 3.0. Clients may resume
// by tickets; ALPN is honoured where it is offered; SNI is ignored. Clients are asked for a
// certificate, WebSocket ones excepted; they need not have one, whoever signed it. Its thread only;
// outlives every SSL it makes.
class TlsServer {
 public:
  struct Options {
    bool compact = false;  // sessions of TLS 1.3 go on without OpenSSL
    uint32_t ticket_lifetime_s = 86'400;
  };
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<TlsServer>> Make(const Options& options);
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer();

  // For the handshakes that begin from here on; sessions that are there go on. After an error the
  // former material stays. Errors name the setting and OpenSSL's reason.
  [[nodiscard]] absl::Status Use(const TlsMaterial& material);
  // When the certificate in use ends, in Unix seconds. REQUIRES: Use has succeeded.
  [[nodiscard]] int64_t certificate_ends_s() const;

  // A handshake on `fd`, which it does not own; nullptr without memory. REQUIRES: Use has
  // succeeded. To be freed through TlsHandshake::Detach and SSL_free.
  [[nodiscard]] SSL* Accept(int fd, AlpnSet alpn);
  // The engine of sessions without OpenSSL; nullptr where there are none.
  [[nodiscard]] tls13::Engine* engine() { return engine_.get(); }

 private:
  struct FreeLibrary {
    void operator()(OSSL_LIB_CTX* library) const { OSSL_LIB_CTX_free(library); }
  };
  explicit TlsServer(const Options& options) : options_(options) {}
  [[nodiscard]] absl::StatusOr<SslContext> MakeContext(const TlsMaterial& material);
  static int OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, int is_sealing);

  const Options options_;
  std::unique_ptr<OSSL_LIB_CTX, FreeLibrary> library_;
  std::unique_ptr<tls13::Engine> engine_;
  std::optional<TicketKeys> ticket_keys_;
  SslContext context_;
};

}  // namespace homeport::net
