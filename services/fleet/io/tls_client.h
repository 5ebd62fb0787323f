#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace homeport::fleet {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

// What all TLS connections of a client process share: TLS 1.3 only, servers verified against a CA.
class TlsClient {
 public:
  // kLast: a connection resumes the last session that a server gave a ticket for. For connections
  // of one thread, to servers that share a name and their ticket keys.
  enum class Resumes : uint8_t { kNever, kLast };

  // `ca_file` is PEM.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<TlsClient>> Create(const std::string& ca_file,
                                                                         Resumes resumes);

  // A client's end on a connected (or connecting) socket. The certificate must name `host`, a DNS
  // name or an IP address.
  [[nodiscard]] SslPtr NewConnection(int fd, const std::string& host) const;
  // Connections so far that resumed a session.
  [[nodiscard]] uint64_t resumptions() const;

 private:
  explicit TlsClient(std::unique_ptr<SSL_CTX, SslDeleter> context);
  static int OnTicket(SSL* ssl, SSL_SESSION* session);

  std::unique_ptr<SSL_CTX, SslDeleter> context_;
  std::unique_ptr<SSL_SESSION, SslDeleter> last_;
};

// The oldest entry of OpenSSL's error queue, which is emptied; `otherwise` if it is empty.
[[nodiscard]] std::string TakeSslError(const char* otherwise);

}  // namespace homeport::fleet
