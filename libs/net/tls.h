#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace homeport::net {

struct SslCtxFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslCtxFree>;

// A server's TLS 1.2/1.3 settings: certificate chain and key from PEM files, buffers released while
// idle, ALPN `mqtt` and `x-amzn-mqtt-ca` selected when offered. One per reactor: sharing a context
// between threads makes them wait for each other inside OpenSSL 3.0.
// Errors name the file and OpenSSL's reason.
[[nodiscard]] absl::StatusOr<SslContext> MakeServerContext(const std::string& certificate_file,
                                                           const std::string& key_file);

}  // namespace homeport::net
