#include "libs/net/peer_chain.h"

#include <algorithm>
#include <string_view>

namespace homeport::net {
namespace {

constexpr int kChainMax = 4;  // beside the client's own
// A ticket's own data: this byte, then each certificate behind its size in two bytes.
constexpr char kFormat = 1;

std::string DerOf(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return {};
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

// What the client sent along in a full handshake.
std::vector<std::string> Sent(const SSL* ssl) {
  std::vector<std::string> chain;
  const STACK_OF(X509)* others = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < std::min(sk_X509_num(others), kChainMax); ++i) {
    chain.push_back(DerOf(sk_X509_value(others, i)));
  }
  return chain;
}

std::string_view DataOf(SSL_SESSION* session) {
  void* data = nullptr;
  size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || data == nullptr) return {};
  return {static_cast<const char*>(data), size};
}

std::string Encoded(const std::vector<std::string>& chain) {
  std::string data(1, kFormat);
  for (const std::string& der : chain) {
    data += static_cast<char>(der.size() >> 8);
    data += static_cast<char>(der.size() & 0xff);
    data += der;
  }
  return data;
}

// REQUIRES: `data` is Encoded's.
std::vector<std::string> Decoded(std::string_view data) {
  std::vector<std::string> chain;
  data.remove_prefix(std::min<size_t>(1, data.size()));
  while (data.size() >= 2) {
    const size_t size =
        size_t{static_cast<unsigned char>(data[0])} << 8 | static_cast<unsigned char>(data[1]);
    chain.emplace_back(data.substr(2, size));
    data.remove_prefix(std::min(2 + size, data.size()));
  }
  return chain;
}

}  // namespace

void PeerChain::KeepInTickets(SSL_CTX* context) {
  SSL_CTX_set_session_ticket_cb(context, OnNewTicket, OnTicket, nullptr);
}

std::vector<std::string> PeerChain::Of(const SSL* ssl) {
  X509* const own = SSL_get0_peer_certificate(ssl);
  if (own == nullptr) return {};
  std::vector<std::string> chain = {DerOf(own)};
  const bool resumed = SSL_session_reused(ssl) == 1;
  for (std::string& der : resumed ? Decoded(DataOf(SSL_get_session(ssl))) : Sent(ssl)) {
    chain.push_back(std::move(der));
  }
  return chain;
}

// A session that was resumed has its data already. 0 would end the handshake.
int PeerChain::OnNewTicket(SSL* ssl, void* /*arg*/) {
  if (SSL_session_reused(ssl) == 1 || SSL_get0_peer_certificate(ssl) == nullptr) return 1;
  const std::string data = Encoded(Sent(ssl));
  if (data.size() > kTicketBytesMax) return 1;
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data.data(), data.size());
}

SSL_TICKET_RETURN PeerChain::OnTicket(SSL* /*ssl*/, SSL_SESSION* session,
                                      const unsigned char* /*key_name*/, size_t /*key_name_size*/,
                                      SSL_TICKET_STATUS status, void* /*arg*/) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  if (SSL_SESSION_get0_peer(session) != nullptr &&
      DataOf(session).substr(0, 1) != std::string_view(&kFormat, 1)) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace homeport::net
