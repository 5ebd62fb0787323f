#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/net/fd.h"
#include "libs/net/tls.h"
#include "libs/net/transport.h"
#include "tests/unit/net/tls_peers.h"

namespace homeport::net::testing {

using MakePeer = std::unique_ptr<TlsPeer> (*)(int fd, const TlsPeer::Options& options);

// What a server needs, with a fresh certificate.
[[nodiscard]] TlsMaterial FreshMaterial();
[[nodiscard]] std::unique_ptr<TlsServer> MakeServer(const TlsMaterial& material,
                                                    bool compact = true);

// A client and a Transport, with a wire between them that moves `step` bytes at a time.
class TlsLink {
 public:
  TlsLink(TlsServer& server, MakePeer make_peer, const TlsPeer::Options& options = {},
          AlpnSet alpn = AlpnSet::kMqtt, size_t step = 64 << 10);
  ~TlsLink();

  // Until both sides are done; false where the server refused.
  [[nodiscard]] bool Handshake(tls13::Engine* engine);
  void MoveWire();
  // One turn: the wire, and what the server reads and wants to write.
  void Turn();
  // Turns until `done()`, or dies.
  template <typename Done>
  void Until(Done done) {
    for (int i = 0; i < kTurnsMax && !done(); ++i) Turn();
    Check(done());
  }
  void ClientWrites(std::string_view text);
  void ClientUpdatesKeys(bool request);
  void ServerWrites(std::string_view text) { to_write += text; }

  Transport transport;
  std::unique_ptr<TlsPeer> client;
  std::string_view failure;                    // of the server's handshake
  std::vector<std::string> peer_certificates;  // of the client, as the server has them
  std::string at_server;                       // what arrived there
  std::string at_client;
  std::string to_write;  // by the server
  IoStatus server_status = IoStatus::kOk;
  Step client_status = Step::kDone;
  Fd client_fd;  // the client's end of the wire, for bytes that are not the client's

 private:
  static constexpr int kTurnsMax = 4'000'000;
  static void Check(bool condition);
  void ServerTurn();
  void ClientReads();

  const size_t step_;
  Fd wire_client_;
  Fd wire_server_;
  bool established_ = false;
};

}  // namespace homeport::net::testing
