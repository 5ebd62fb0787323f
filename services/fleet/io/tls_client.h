#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace homeport::fleet {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

// What all TLS connections of a client process share: TLS 1.3 only, servers verified against a CA.
class TlsClient {
 public:
  // `ca_file` is PEM.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<TlsClient>> Create(
      const std::string& ca_file);

  // A client's end on a connected (or connecting) socket. The certificate must name `host`, a DNS
  // name or an IP address.
  [[nodiscard]] SslPtr NewConnection(int fd, const std::string& host) const;

 private:
  explicit TlsClient(std::unique_ptr<SSL_CTX, SslDeleter> context);
  std::unique_ptr<SSL_CTX, SslDeleter> context_;
};

// The oldest entry of OpenSSL's error queue, which is emptied; `otherwise` if it is empty.
[[nodiscard]] std::string TakeSslError(const char* otherwise);

}  // namespace homeport::fleet
