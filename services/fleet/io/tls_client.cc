#include "services/fleet/io/tls_client.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "libs/base/check.h"

namespace homeport::fleet {

TlsClient::TlsClient(std::unique_ptr<SSL_CTX, SslDeleter> context) : context_(std::move(context)) {}

absl::StatusOr<std::unique_ptr<TlsClient>> TlsClient::Create(const std::string& ca_file,
                                                             Resumes resumes) {
  std::unique_ptr<SSL_CTX, SslDeleter> context(SSL_CTX_new(TLS_client_method()));
  HP_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context.get(), 1);
  if (SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) {
    return absl::InvalidArgumentError(
        fmt::format("CA file {}: {}", ca_file, TakeSslError("no certificate")));
  }
  std::unique_ptr<TlsClient> client(new TlsClient(std::move(context)));
  SSL_CTX* const shared = client->context_.get();
  SSL_CTX_set_app_data(shared, client.get());
  SSL_CTX_set_session_cache_mode(shared, resumes == Resumes::kLast
                                             ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                             : SSL_SESS_CACHE_OFF);
  if (resumes == Resumes::kLast) SSL_CTX_sess_set_new_cb(shared, OnTicket);
  return client;
}

// Copies, because a connection that is cut off spoils the session that it holds.
int TlsClient::OnTicket(SSL* ssl, SSL_SESSION* session) {
  auto* client = static_cast<TlsClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  client->last_.reset(SSL_SESSION_dup(session));
  return 0;
}

uint64_t TlsClient::resumptions() const {
  return static_cast<uint64_t>(SSL_CTX_sess_hits(context_.get()));
}

SslPtr TlsClient::NewConnection(int fd, const std::string& host) const {
  SslPtr ssl(SSL_new(context_.get()));
  HP_CHECK(ssl != nullptr && SSL_set_fd(ssl.get(), fd) == 1);
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1) {
    ERR_clear_error();
    HP_CHECK(SSL_set1_host(ssl.get(), host.c_str()) == 1);
    // SSL_set_tlsext_host_name without the macro's C cast.
    HP_CHECK(SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                      const_cast<char*>(host.c_str())) == 1);
  }
  if (last_ != nullptr) {
    const std::unique_ptr<SSL_SESSION, SslDeleter> copy(SSL_SESSION_dup(last_.get()));
    HP_CHECK(copy != nullptr && SSL_set_session(ssl.get(), copy.get()) == 1);
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

std::string TakeSslError(const char* otherwise) {
  const unsigned long error = ERR_get_error();  // NOLINT(google-runtime-int): OpenSSL's type
  ERR_clear_error();
  if (error == 0) return otherwise;
  const char* const text = ERR_reason_error_string(error);
  return text != nullptr ? text : otherwise;
}

}  // namespace homeport::fleet
