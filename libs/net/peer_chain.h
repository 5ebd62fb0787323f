#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

namespace homeport::net {

// The certificates that a client came with. In a session ticket OpenSSL keeps the client's own
// only: those it sent along are added here, so that a resumed session has them too. A ticket
// without room for them is not accepted, and the client makes a full handshake.
class PeerChain {
 public:
  // A ticket is carried by every ClientHello, and some clients have little memory for it.
  static constexpr size_t kTicketBytesMax = 2048;

  // Makes the callbacks of `context` that write and read tickets.
  static void KeepInTickets(SSL_CTX* context);

  // DER, its own first; nothing without a certificate. REQUIRES: the handshake is complete.
  [[nodiscard]] static std::vector<std::string> Of(const SSL* ssl);

 private:
  static int OnNewTicket(SSL* ssl, void* arg);
  static SSL_TICKET_RETURN OnTicket(SSL* ssl, SSL_SESSION* session, const unsigned char* key_name,
                                    size_t key_name_size, SSL_TICKET_STATUS status, void* arg);
};

}  // namespace homeport::net
