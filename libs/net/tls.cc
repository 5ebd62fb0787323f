#include "libs/net/tls.h"

#include <openssl/err.h>

#include "libs/base/strings.h"

namespace homeport::net {
namespace {

// ALPN's own format: each name preceded by its length.
constexpr unsigned char kAlpnProtocols[] = "\x04mqtt\x0ex-amzn-mqtt-ca";

int SelectAlpn(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
               const unsigned char* offered, unsigned offered_size, void* /*arg*/) {
  unsigned char* selected = nullptr;
  const int result = SSL_select_next_proto(&selected, out_size, kAlpnProtocols,
                                           sizeof kAlpnProtocols - 1, offered, offered_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

std::string OpenSslReason() {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return text;
}

}  // namespace

absl::StatusOr<SslContext> MakeServerContext(const std::string& certificate_file,
                                             const std::string& key_file) {
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return absl::InternalError(OpenSslReason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_alpn_select_cb(context.get(), SelectAlpn, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1) {
    return absl::InvalidArgumentError(
        fmt::format("tls-cert {}: {}", certificate_file, OpenSslReason()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return absl::InvalidArgumentError(fmt::format("tls-key {}: {}", key_file, OpenSslReason()));
  }
  return context;
}

}  // namespace homeport::net
