#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "libs/base/check.h"
#include "tests/unit/net/tls_peers.h"

namespace homeport::net::testing {
namespace {

class Peer final : public TlsPeer {
 public:
  Peer(int fd, const Options& options) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context_, OnSession);
    if (!options.suite.empty()) {
      HP_CHECK(SSL_CTX_set_ciphersuites(context_, options.suite.c_str()) == 1);
    }
    if (options.tls12) SSL_CTX_set_max_proto_version(context_, TLS1_2_VERSION);
    if (!options.certificates.empty()) UseCertificates(options);
    if (options.max_fragment == 512) {
      SSL_CTX_set_tlsext_max_fragment_length(context_, TLSEXT_max_fragment_length_512);
    }
    ssl_ = SSL_new(context_);
    SSL_set_app_data(ssl_, this);
    SSL_set_fd(ssl_, fd);
    SSL_set_connect_state(ssl_);
    SSL_set_info_callback(ssl_, OnInfo);
    if (!options.alpn.empty()) {
      std::string alpn = static_cast<char>(options.alpn.size()) + options.alpn;
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
    }
    if (!options.session.empty()) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(options.session.data());
      SSL_SESSION* session =
          d2i_SSL_SESSION(nullptr, &bytes, static_cast<long>(options.session.size()));
      HP_CHECK(SSL_set_session(ssl_, session) == 1);
      SSL_SESSION_free(session);
    }
  }
  ~Peer() override {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  Step Handshake() override { return Result(SSL_do_handshake(ssl_)); }
  Step Write(std::string_view text, size_t* written) override {
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return Result(SSL_write_ex(ssl_, text.data(), text.size(), written));
  }
  Step Read(std::string* text) override {
    char buffer[20'000];
    size_t size = 0;
    const Step step = Result(SSL_read_ex(ssl_, buffer, sizeof buffer, &size));
    text->append(buffer, size);
    return step;
  }
  Step KeyUpdate(bool request) override {
    if (!updating_) {
      HP_CHECK(SSL_key_update(
                   ssl_, request ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    }
    const Step step = Result(SSL_do_handshake(ssl_));
    updating_ = step == Step::kAgain;
    return step;
  }
  void CloseNotify() override { SSL_shutdown(ssl_); }
  std::string Session() override { return session_; }
  bool resumed() override { return SSL_session_reused(ssl_) == 1; }
  int alert() override { return alert_; }

 private:
  void UseCertificates(const Options& options) {
    BIO* reader = BIO_new_mem_buf(options.certificates.data(), -1);
    int count = 0;
    while (X509* certificate = PEM_read_bio_X509(reader, nullptr, nullptr, nullptr)) {
      HP_CHECK((count++ == 0 ? SSL_CTX_use_certificate(context_, certificate)
                             : SSL_CTX_add1_chain_cert(context_, certificate)) == 1);
      X509_free(certificate);
    }
    ERR_clear_error();
    BIO_free(reader);
    reader = BIO_new_mem_buf(options.key.data(), -1);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(reader, nullptr, nullptr, nullptr);
    HP_CHECK(SSL_CTX_use_PrivateKey(context_, key) == 1);
    EVP_PKEY_free(key);
    BIO_free(reader);
  }
  static int OnSession(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<Peer*>(SSL_get_app_data(ssl));
    self->session_.resize(static_cast<size_t>(i2d_SSL_SESSION(session, nullptr)));
    auto* out = reinterpret_cast<unsigned char*>(self->session_.data());
    i2d_SSL_SESSION(session, &out);
    return 0;
  }
  static void OnInfo(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) {
      static_cast<Peer*>(SSL_get_app_data(ssl))->alert_ = value & 0xff;
    }
  }
  Step Result(int result) {
    if (result > 0) return Step::kDone;
    const int error = SSL_get_error(ssl_, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Step::kAgain;
    return error == SSL_ERROR_ZERO_RETURN ? Step::kClosed : Step::kFailed;
  }

  SSL_CTX* context_;
  SSL* ssl_;
  std::string session_;
  bool updating_ = false;
  int alert_ = 0;
};

}  // namespace

std::unique_ptr<TlsPeer> OpenSslPeer(int fd, const TlsPeer::Options& options) {
  return std::make_unique<Peer>(fd, options);
}

}  // namespace homeport::net::testing
