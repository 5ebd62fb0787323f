#include "libs/net/transport.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libs/base/check.h"
#include "libs/net/peer_chain.h"
#include "libs/net/tls_handshake.h"

namespace homeport::net {
namespace {

using State = tls13::RecordLayer::State;

constexpr size_t kSslIoBytesMax = 1 << 30;

IoResult FromErrno() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    return {IoStatus::kWouldBlock, 0, false};
  }
  return {IoStatus::kError, 0, false};
}

ssize_t SendTo(int fd, std::string_view bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace

bool Transport::HasPending() const {
  switch (kind_) {
    case Kind::kPlain:
      return false;
    case Kind::kOpenSsl:
      return SSL_pending(ssl()) > 0;
    case Kind::kCompact:
      break;
  }
  return layer().state() != State::kOpen;
}

IoResult Transport::FromSsl(int result) const {
  if (result > 0) return {IoStatus::kOk, static_cast<size_t>(result), false};
  switch (SSL_get_error(ssl(), result)) {
    case SSL_ERROR_WANT_READ:
      return {IoStatus::kWouldBlock, 0, false};
    case SSL_ERROR_WANT_WRITE:
      return {IoStatus::kWouldBlock, 0, true};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStatus::kClosed, 0, false};
    default:
      return {IoStatus::kError, 0, false};
  }
}

void Transport::StartTls(SSL* ssl) {
  HP_CHECK(!is_tls());
  tls_ = ssl;
  kind_ = Kind::kOpenSsl;
}

IoResult Transport::Handshake(std::string_view* failure) {
  ERR_clear_error();
  const IoResult result = FromSsl(SSL_do_handshake(ssl()));
  if (result.status == IoStatus::kError || result.status == IoStatus::kClosed) {
    *failure = TakeHandshakeFailure();
  }
  return result;
}

void Transport::FinishHandshake(tls13::Engine* engine) {
  tls13::RecordLayer::Ptr layer;
  if (engine != nullptr) layer = TlsHandshake::TakeOver(ssl(), *engine);
  TlsHandshake::Detach(ssl());
  if (layer == nullptr) return;
  FreeTls();
  tls_ = layer.release();
  kind_ = Kind::kCompact;
}

std::vector<std::string> Transport::PeerCertificates() const {
  return ssl() == nullptr ? std::vector<std::string>() : PeerChain::Of(ssl());
}

IoResult Transport::Read(char* out, size_t size) {
  if (kind_ == Kind::kCompact) return ReadCompact(out, size);
  if (kind_ == Kind::kOpenSsl) {
    ERR_clear_error();
    const IoResult result =
        FromSsl(SSL_read(ssl(), out, static_cast<int>(std::min(size, kSslIoBytesMax))));
    ERR_clear_error();
    return result;
  }
  const ssize_t got = ::recv(fd_, out, size, 0);
  if (got > 0) return {IoStatus::kOk, static_cast<size_t>(got), false};
  if (got == 0) return {IoStatus::kClosed, 0, false};
  return FromErrno();
}

// Reads no more than fits `out` as it comes: the text of whole records is shorter than they are, so
// that only a record in part is left over.
IoResult Transport::ReadCompact(char* out, size_t size) {
  HP_CHECK(size >= kReadBytesMin);
  if (layer().state() == State::kOpen) {
    const size_t kept = layer().partial_bytes();
    const ssize_t got = ::recv(fd_, out + kept, size - kept, 0);
    if (got < 0) return FromErrno();
    if (got == 0) return {IoStatus::kError, 0, false};  // cut off: no close_notify
    layer().TakePartial(out);
    const size_t text = layer().Open({out, kept + static_cast<size_t>(got)});
    if (text > 0) return {IoStatus::kOk, text, false};
  }
  switch (layer().state()) {
    case State::kOpen:
      return {IoStatus::kWouldBlock, 0, false};
    case State::kPeerClosed:
      return {IoStatus::kClosed, 0, false};
    case State::kFailed:
      break;
  }
  SendEnd();
  return {IoStatus::kError, 0, false};
}

IoResult Transport::Write(std::string_view bytes) {
  if (kind_ == Kind::kCompact) return WriteCompact(bytes);
  if (kind_ == Kind::kOpenSsl) {
    ERR_clear_error();
    const IoResult result = FromSsl(
        SSL_write(ssl(), bytes.data(), static_cast<int>(std::min(bytes.size(), kSslIoBytesMax))));
    ERR_clear_error();
    return result;
  }
  const ssize_t sent = SendTo(fd_, bytes);
  if (sent >= 0) return {IoStatus::kOk, static_cast<size_t>(sent), false};
  return FromErrno();
}

// A piece counts as moved when its last record is in the socket: until then its caller keeps it,
// and learns by that when to wait for room.
IoResult Transport::WriteCompact(std::string_view bytes) {
  if (layer().state() == State::kFailed) return {IoStatus::kError, 0, false};
  size_t moved = layer().unsent_text();
  if (!SendUnsent()) return FromErrno();
  if (moved > bytes.size()) return {IoStatus::kError, 0, false};  // it is not what was begun
  while (moved < bytes.size()) {
    const std::string_view piece = bytes.substr(moved, tls13::RecordLayer::kSealBytesMax);
    const std::string_view records = layer().Seal(piece);
    if (records.empty()) return {IoStatus::kError, 0, false};
    const ssize_t sent = SendTo(fd_, records);
    if (sent != static_cast<ssize_t>(records.size())) {
      const IoResult blocked = sent < 0 ? FromErrno() : IoResult{IoStatus::kWouldBlock, 0, false};
      if (blocked.status == IoStatus::kError) return blocked;
      layer().KeepUnsent(records.substr(static_cast<size_t>(std::max<ssize_t>(sent, 0))),
                         piece.size());
      break;
    }
    moved += piece.size();
  }
  if (moved == 0) return {IoStatus::kWouldBlock, 0, false};
  return {IoStatus::kOk, moved, false};
}

// False, with errno: not all of it.
bool Transport::SendUnsent() {
  const std::string_view unsent = layer().unsent();
  if (unsent.empty()) return true;
  const ssize_t sent = SendTo(fd_, unsent);
  if (sent < 0) return false;
  const bool whole = static_cast<size_t>(sent) == unsent.size();
  layer().Sent(static_cast<size_t>(sent));
  if (!whole) errno = EAGAIN;
  return whole;
}

// Best effort, and never within another record.
void Transport::SendEnd() {
  if (!layer().unsent().empty()) return;
  const std::string_view record = layer().SealEnd();
  if (!record.empty()) static_cast<void>(SendTo(fd_, record));
}

void Transport::Close() {
  if (const int fd = Detach(); fd >= 0) ::close(fd);
}

int Transport::Detach() {
  if (kind_ == Kind::kCompact) SendEnd();
  if (kind_ == Kind::kOpenSsl) {
    if (SSL_is_init_finished(ssl())) {
      ERR_clear_error();
      SSL_shutdown(ssl());
      ERR_clear_error();
    }
    TlsHandshake::Detach(ssl());
  }
  FreeTls();
  return std::exchange(fd_, -1);
}

void Transport::FreeTls() {
  if (kind_ == Kind::kOpenSsl) SSL_free(ssl());
  if (kind_ == Kind::kCompact) tls13::RecordLayer::Ptr(&layer()).reset();
  tls_ = nullptr;
  kind_ = Kind::kPlain;
}

}  // namespace homeport::net
