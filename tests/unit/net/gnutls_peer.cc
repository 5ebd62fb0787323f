#include <gnutls/gnutls.h>

#include <string>

#include "libs/base/check.h"
#include "tests/unit/net/tls_peers.h"

namespace homeport::net::testing {
namespace {

// GnuTLS only reads it.
gnutls_datum_t DatumOf(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

class Peer final : public TlsPeer {
 public:
  Peer(int fd, const Options& options) {
    HP_CHECK(gnutls_init(&session_, GNUTLS_CLIENT | GNUTLS_NONBLOCK) == 0);
    gnutls_certificate_allocate_credentials(&credentials_);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_);
    if (!options.certificates.empty()) {
      const gnutls_datum_t certificates = DatumOf(options.certificates);
      const gnutls_datum_t key = DatumOf(options.key);
      HP_CHECK(gnutls_certificate_set_x509_key_mem2(credentials_, &certificates, &key,
                                                    GNUTLS_X509_FMT_PEM, nullptr, 0) == 0);
    }
    std::string priority = options.tls12 ? "NORMAL:-VERS-ALL:+VERS-TLS1.2" : "NORMAL";
    if (!options.suite.empty()) priority += ":-CIPHER-ALL:+" + options.suite;
    HP_CHECK(gnutls_priority_set_direct(session_, priority.c_str(), nullptr) == 0);
    gnutls_transport_set_int(session_, fd);
    gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);
    if (!options.alpn.empty()) {
      const gnutls_datum_t name = DatumOf(options.alpn);
      gnutls_alpn_set_protocols(session_, &name, 1, 0);
    }
    if (!options.session.empty()) {
      HP_CHECK(gnutls_session_set_data(session_, options.session.data(), options.session.size()) ==
               0);
    }
  }
  ~Peer() override {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
  }

  Step Handshake() override { return Result(gnutls_handshake(session_)); }
  Step Write(std::string_view text, size_t* written) override {
    const ssize_t result = gnutls_record_send(session_, text.data(), text.size());
    if (result > 0) *written = static_cast<size_t>(result);
    return Result(result);
  }
  Step Read(std::string* text) override {
    char buffer[20'000];
    const ssize_t result = gnutls_record_recv(session_, buffer, sizeof buffer);
    if (result == 0) return Step::kClosed;
    if (result > 0) text->append(buffer, static_cast<size_t>(result));
    return Result(result);
  }
  Step KeyUpdate(bool request) override {
    return Result(gnutls_session_key_update(session_, request ? GNUTLS_KU_PEER : 0));
  }
  void CloseNotify() override { gnutls_bye(session_, GNUTLS_SHUT_WR); }
  std::string Session() override {
    gnutls_datum_t data = {nullptr, 0};
    if (gnutls_session_get_data2(session_, &data) != 0) return "";
    std::string session(reinterpret_cast<char*>(data.data), data.size);
    gnutls_free(data.data);
    return session;
  }
  bool resumed() override { return gnutls_session_is_resumed(session_) != 0; }
  int alert() override { return alert_; }

 private:
  Step Result(ssize_t result) {
    if (result >= 0) return Step::kDone;
    const int error = static_cast<int>(result);
    if (error == GNUTLS_E_AGAIN || error == GNUTLS_E_INTERRUPTED) return Step::kAgain;
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED || error == GNUTLS_E_WARNING_ALERT_RECEIVED) {
      alert_ = gnutls_alert_get(session_);
    }
    return gnutls_error_is_fatal(error) != 0 ? Step::kFailed : Step::kAgain;
  }

  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t credentials_ = nullptr;
  int alert_ = 0;
};

}  // namespace

std::unique_ptr<TlsPeer> GnuTlsPeer(int fd, const TlsPeer::Options& options) {
  return std::make_unique<Peer>(fd, options);
}

}  // namespace homeport::net::testing
