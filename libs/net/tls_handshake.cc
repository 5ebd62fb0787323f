#include "libs/net/tls_handshake.h"

#include <openssl/err.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "libs/base/ascii.h"

namespace homeport::net {
namespace {

constexpr std::string_view kClientSecretLabel = "CLIENT_TRAFFIC_SECRET_0";
constexpr std::string_view kServerSecretLabel = "SERVER_TRAFFIC_SECRET_0";

TlsHandshake* Attached(const SSL* ssl) { return static_cast<TlsHandshake*>(SSL_get_app_data(ssl)); }

std::optional<tls13::Suite> SuiteOf(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher == nullptr) return std::nullopt;
  return tls13::SuiteOf(SSL_CIPHER_get_protocol_id(cipher));
}

}  // namespace

void TlsHandshake::Observe(SSL_CTX* context) { SSL_CTX_set_msg_callback(context, OnMessage); }

void TlsHandshake::Attach(SSL* ssl, AlpnSet alpn) { SSL_set_app_data(ssl, new TlsHandshake(alpn)); }

void TlsHandshake::Detach(SSL* ssl) {
  delete Attached(ssl);
  SSL_set_app_data(ssl, nullptr);
}

const TlsHandshake* TlsHandshake::Of(const SSL* ssl) { return Attached(ssl); }

TlsHandshake::~TlsHandshake() {
  OPENSSL_cleanse(client_.bytes.data(), client_.bytes.size());
  OPENSSL_cleanse(server_.bytes.data(), server_.bytes.size());
}

// "<label> <client random> <secret>", in hexadecimal. OpenSSL derives each secret at the moment
// from which it is used. It prints a line of each, whether or not it is wanted, as long as somebody
// listens.
void TlsHandshake::OnKeyLog(const SSL* ssl, const char* line) {
  TlsHandshake* self = Attached(ssl);
  if (self == nullptr) return;
  const std::string_view text = line;
  const std::string_view label = text.substr(0, text.find(' '));
  if (label != kClientSecretLabel && label != kServerSecretLabel) return;
  Secret& secret = label == kClientSecretLabel ? self->client_ : self->server_;
  const std::string_view hex = text.substr(text.rfind(' ') + 1);
  secret.size = std::min(hex.size() / 2, secret.bytes.size());
  if (!DecodeHex(hex, std::span(secret.bytes).first(secret.size))) secret.size = 0;
  secret.records = 0;
  SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), nullptr);
}

// OpenSSL derives a side's traffic secret behind that side's Finished, in the same call but where
// the socket has no room for the server's: if another handshake comes between, that session stays
// with OpenSSL.
void TlsHandshake::OnMessage(int is_write, int /*version*/, int content_type, const void* bytes,
                             size_t size, SSL* ssl, void* /*arg*/) {
  if (content_type == SSL3_RT_HANDSHAKE && size > 0 &&
      *static_cast<const uint8_t*>(bytes) == SSL3_MT_FINISHED) {
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), OnKeyLog);
  }
  if (content_type != SSL3_RT_HEADER) return;  // a record's header, once for each record
  TlsHandshake* self = Attached(ssl);
  if (self == nullptr) return;
  Secret& secret = is_write != 0 ? self->server_ : self->client_;
  if (secret.size != 0) ++secret.records;
}

bool TlsHandshake::IsClean(SSL* ssl) const {
  const SSL_SESSION* session = SSL_get_session(ssl);
  return SSL_version(ssl) == TLS1_3_VERSION && SSL_is_init_finished(ssl) == 1 &&
         SSL_is_server(ssl) == 1 && SSL_get_shutdown(ssl) == 0 && SSL_has_pending(ssl) == 0 &&
         BIO_wpending(SSL_get_wbio(ssl)) == 0 && BIO_pending(SSL_get_rbio(ssl)) == 0 &&
         SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_NOT_SENT &&
         SSL_get_key_update_type(ssl) == SSL_KEY_UPDATE_NONE && session != nullptr &&
         SSL_SESSION_get_max_fragment_length(session) == TLSEXT_max_fragment_length_DISABLED &&
         // The tickets are all that a server sends by then; a client sends nothing.
         server_.records <= SSL_get_num_tickets(ssl) && client_.records == 0;
}

tls13::RecordLayer::Ptr TlsHandshake::TakeOver(SSL* ssl, tls13::Engine& engine) {
  const TlsHandshake* self = Attached(ssl);
  if (self == nullptr || !self->IsClean(ssl)) return nullptr;
  const std::optional<tls13::Suite> suite = SuiteOf(ssl);
  if (!suite || self->client_.size != tls13::SecretBytes(*suite) ||
      self->server_.size != tls13::SecretBytes(*suite)) {
    return nullptr;
  }
  return tls13::RecordLayer::Make(
      engine, {.suite = *suite,
               .client_secret = std::span(self->client_.bytes).first(self->client_.size),
               .server_secret = std::span(self->server_.bytes).first(self->server_.size),
               .sealed = self->server_.records});
}

std::string_view TakeHandshakeFailure() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0 || ERR_GET_LIB(error) != ERR_LIB_SSL) return "connection_lost";
  const int reason = ERR_GET_REASON(error);
  if (reason > SSL_AD_REASON_OFFSET) return "client_alert";
  switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return "connection_lost";
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return "not_tls";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
      return "version";
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return "nothing_in_common";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "alpn";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "client_certificate";
    default:
      return "protocol";
  }
}

}  // namespace homeport::net
