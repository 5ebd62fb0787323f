#include "libs/net/tls.h"

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <string_view>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/net/peer_chain.h"

namespace homeport::net {
namespace {

// ALPN's own format: each name preceded by its length.
constexpr std::string_view kAlpnMqtt = "\x04mqtt\x0ex-amzn-mqtt-ca";
constexpr std::string_view kAlpnWebSocket = "\x08http/1.1";
constexpr std::string_view kSessionIdContext = "homeport";
// The smallest session first; a client that has no AES hardware lists ChaCha20 first and gets it.
constexpr const char* kTls13Suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

constexpr long kCertificatesBytesMax = 32 * 1024;  // that a client may send

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

int SelectAlpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
               const unsigned char* offered, unsigned offered_size, void* /*arg*/) {
  const TlsHandshake* handshake = TlsHandshake::Of(ssl);
  if (handshake == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
  const std::string_view known =
      handshake->alpn() == AlpnSet::kWebSocket ? kAlpnWebSocket : kAlpnMqtt;
  unsigned char* selected = nullptr;
  const int result =
      SSL_select_next_proto(&selected, out_size, Bytes(known), static_cast<unsigned>(known.size()),
                            offered, offered_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301, 3.2
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// Whose a certificate is, the registry says when CONNECT is read; TLS only proves that the client
// holds its key.
int AcceptAny(X509_STORE_CTX* context, void* /*arg*/) {
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

std::string OpenSslReason() {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return text;
}

absl::Status Refused(std::string_view setting) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", setting, OpenSslReason()));
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using MemoryBio = std::unique_ptr<BIO, BioFree>;

MemoryBio Reader(const std::string& text) {
  return MemoryBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int NoPassphrase(char* /*buffer*/, int /*size*/, int /*is_writing*/, void* /*arg*/) { return -1; }

// The server's certificate, then those it chains to.
absl::Status UseChain(SSL_CTX* context, const std::string& pem, OSSL_LIB_CTX* library) {
  const MemoryBio reader = Reader(pem);
  for (int count = 0;; ++count) {
    X509* certificate = X509_new_ex(library, nullptr);
    if (PEM_read_bio_X509(reader.get(), &certificate, NoPassphrase, nullptr) == nullptr) {
      X509_free(certificate);
      const unsigned long error = ERR_peek_last_error();
      const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                          ERR_GET_REASON(error) == PEM_R_NO_START_LINE && count > 0;
      if (!at_end) return Refused("tls-cert");
      ERR_clear_error();
      return absl::OkStatus();
    }
    const bool used = count == 0 ? SSL_CTX_use_certificate(context, certificate) == 1
                                 : SSL_CTX_add1_chain_cert(context, certificate) == 1;
    X509_free(certificate);
    if (!used) return Refused("tls-cert");
  }
}

absl::Status UseKey(SSL_CTX* context, const std::string& pem, OSSL_LIB_CTX* library) {
  const MemoryBio reader = Reader(pem);
  EVP_PKEY* key =
      PEM_read_bio_PrivateKey_ex(reader.get(), nullptr, NoPassphrase, nullptr, library, nullptr);
  if (key == nullptr) return Refused("tls-key");
  const bool used =
      SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
  EVP_PKEY_free(key);
  return used ? absl::OkStatus() : Refused("tls-key");
}

// Providers as the system's configuration wants them, where it has one.
void LoadSystemConfig(OSSL_LIB_CTX* library) {
  char* file = CONF_get1_default_config_file();
  if (file != nullptr) OSSL_LIB_CTX_load_config(library, file);
  OPENSSL_free(file);
  ERR_clear_error();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsServer>> TlsServer::Make(const Options& options) {
  std::unique_ptr<TlsServer> server(new TlsServer(options));
  server->library_.reset(OSSL_LIB_CTX_new());
  if (server->library_ == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  LoadSystemConfig(server->library_.get());
  if (options.compact) {
    HP_ASSIGN_OR_RETURN(server->engine_, tls13::Engine::Make({.library = server->library_.get()}));
  }
  return server;
}

TlsServer::~TlsServer() = default;

absl::Status TlsServer::Use(const TlsMaterial& material) {
  absl::StatusOr<TicketKeys> keys = TicketKeys::Parse(material.ticket_keys, library_.get());
  if (!keys.ok()) {
    return absl::InvalidArgumentError(fmt::format("tls-ticket-keys: {}", Message(keys.status())));
  }
  HP_ASSIGN_OR_RETURN(SslContext context, MakeContext(material));
  ticket_keys_ = *std::move(keys);
  context_ = std::move(context);
  return absl::OkStatus();
}

int64_t TlsServer::certificate_ends_s() const {
  tm parts{};
  const X509* const certificate = SSL_CTX_get0_certificate(context_.get());
  return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1 ? int64_t{timegm(&parts)}
                                                                       : 0;
}

absl::StatusOr<SslContext> TlsServer::MakeContext(const TlsMaterial& material) {
  SslContext made(SSL_CTX_new_ex(library_.get(), nullptr, TLS_server_method()));
  SSL_CTX* context = made.get();
  if (context == nullptr) return absl::InternalError(OpenSslReason());
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_ciphersuites(context, kTls13Suites);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, Bytes(kSessionIdContext), kSessionIdContext.size());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, AcceptAny, nullptr);
  SSL_CTX_set_max_cert_list(context, kCertificatesBytesMax);
  SSL_CTX_set_timeout(context, options_.ticket_lifetime_s);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, OnTicket);
  PeerChain::KeepInTickets(context);
  SSL_CTX_set_alpn_select_cb(context, SelectAlpn, nullptr);
  if (options_.compact) TlsHandshake::Observe(context);
  HP_RETURN_IF_ERROR(UseChain(context, material.certificate_chain, library_.get()));
  HP_RETURN_IF_ERROR(UseKey(context, material.key, library_.get()));
  return made;
}

int TlsServer::OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int is_sealing) {
  auto* self = static_cast<TlsServer*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return is_sealing != 0 ? self->ticket_keys_->Seal(name, iv, cipher, mac)
                         : self->ticket_keys_->Open(name, iv, cipher, mac);
}

SSL* TlsServer::Accept(int fd, AlpnSet alpn) {
  SSL* ssl = SSL_new(context_.get());
  if (ssl == nullptr) return nullptr;
  TlsHandshake::Attach(ssl, alpn);
  // A browser would ask its user to choose one.
  if (alpn == AlpnSet::kWebSocket) SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  SSL_set_fd(ssl, fd);
  SSL_set_accept_state(ssl);
  return ssl;
}

}  // namespace homeport::net
