#include "tests/unit/net/tls_link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <vector>

#include "libs/base/check.h"
#include "tests/unit/rpc/tls_files.h"

namespace homeport::net::testing {
namespace {

std::array<Fd, 2> NonBlockingPair() {
  int ends[2];
  HP_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

// Up to `step` bytes, and no more than the other side has room for.
void Move(int from, int to, size_t step) {
  std::vector<char> bytes(step);
  const ssize_t seen = ::recv(from, bytes.data(), bytes.size(), MSG_PEEK);
  if (seen == 0) ::shutdown(to, SHUT_WR);
  if (seen <= 0) return;
  const ssize_t sent = ::send(to, bytes.data(), static_cast<size_t>(seen), MSG_NOSIGNAL);
  if (sent > 0) {
    HP_CHECK(::recv(from, bytes.data(), static_cast<size_t>(sent), 0) == sent);
  }
}

}  // namespace

TlsMaterial FreshMaterial() {
  const homeport::testing::TlsPems pems = homeport::testing::MakeSelfSigned();
  return {pems.certificate, pems.key, TicketKeys::RandomLine()};
}

std::unique_ptr<TlsServer> MakeServer(const TlsMaterial& material, bool compact) {
  auto server = TlsServer::Make({.compact = compact, .ticket_lifetime_s = 3600});
  HP_CHECK(server.ok());
  HP_CHECK((*server)->Use(material).ok());
  return *std::move(server);
}

TlsLink::TlsLink(TlsServer& server, MakePeer make_peer, const TlsPeer::Options& options,
                 AlpnSet alpn, size_t step)
    : step_(step) {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<Fd, 2> near_client = NonBlockingPair();
  std::array<Fd, 2> near_server = NonBlockingPair();
  client_fd = std::move(near_client[0]);
  wire_client_ = std::move(near_client[1]);
  wire_server_ = std::move(near_server[1]);
  transport = Transport(near_server[0].Release());
  transport.StartTls(server.Accept(transport.fd(), alpn));
  client = make_peer(client_fd.get(), options);
}

TlsLink::~TlsLink() {
  if (transport.is_open()) transport.Close();
}

void TlsLink::Check(bool condition) { HP_CHECK(condition); }

bool TlsLink::Handshake(tls13::Engine* engine) {
  Step client_step = Step::kAgain;
  for (int i = 0; i < kTurnsMax; ++i) {
    if (client_step == Step::kAgain) client_step = client->Handshake();
    MoveWire();
    if (!established_) {
      const IoResult result = transport.Handshake(&failure);
      if (result.status == IoStatus::kError || result.status == IoStatus::kClosed) {
        transport.Close();
        for (int turn = 0; turn < 1000; ++turn) MoveWire();
        if (client_step == Step::kDone) ClientReads();
        if (client_step == Step::kAgain) static_cast<void>(client->Handshake());
        return false;
      }
      established_ = result.status == IoStatus::kOk;
      if (established_) {
        peer_certificates = transport.PeerCertificates();
        transport.FinishHandshake(engine);
      }
    }
    if (client_step == Step::kDone && established_) return true;
    HP_CHECK(client_step == Step::kDone || client_step == Step::kAgain);
  }
  return false;
}

void TlsLink::MoveWire() {
  Move(wire_client_.get(), wire_server_.get(), step_);
  Move(wire_server_.get(), wire_client_.get(), step_);
}

void TlsLink::Turn() {
  MoveWire();
  ServerTurn();
  ClientReads();
}

void TlsLink::ServerTurn() {
  if (!transport.is_open()) return;
  std::vector<char> buffer(64 << 10);
  const IoResult read = transport.Read(buffer.data(), buffer.size());
  if (read.status == IoStatus::kOk) at_server.append(buffer.data(), read.bytes);
  if (read.status == IoStatus::kClosed || read.status == IoStatus::kError) {
    server_status = read.status;
    transport.Close();
    return;
  }
  if (to_write.empty()) return;
  const IoResult written = transport.Write(to_write);
  HP_CHECK(written.status == IoStatus::kOk || written.status == IoStatus::kWouldBlock);
  HP_CHECK((written.bytes > 0) == (written.status == IoStatus::kOk));
  to_write.erase(0, written.bytes);
}

void TlsLink::ClientReads() {
  if (client_status == Step::kClosed || client_status == Step::kFailed) return;
  client_status = client->Read(&at_client);
}

void TlsLink::ClientWrites(std::string_view text) {
  while (!text.empty()) {
    size_t written = 0;
    const Step step = client->Write(text, &written);
    HP_CHECK(step == Step::kDone || step == Step::kAgain);
    text.remove_prefix(written);
    if (step == Step::kAgain) Turn();
  }
}

void TlsLink::ClientUpdatesKeys(bool request) {
  Step step = client->KeyUpdate(request);
  while (step == Step::kAgain) {
    Turn();
    step = client->KeyUpdate(request);
  }
  HP_CHECK(step == Step::kDone);
}

}  // namespace homeport::net::testing
