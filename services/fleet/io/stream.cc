#include "services/fleet/io/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "libs/base/check.h"

namespace homeport::fleet {

void Stream::Open(const Endpoint& endpoint, const TlsClient* tls, std::string first_bytes) {
  HP_CHECK(fd_ < 0);
  ++generation_;
  fd_ = socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    no_socket_ = loop_.After(0, [this, why = std::string(std::strerror(errno))] { End(why); });
    return;
  }
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (endpoint.source_bytes > 0) {
    // The port is chosen with the destination known, so that many sockets may share it.
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    (void)bind(fd_, reinterpret_cast<const sockaddr*>(&endpoint.source), endpoint.source_bytes);
  }
  unsent_ = std::move(first_bytes);
  if (tls != nullptr) ssl_ = tls->NewConnection(fd_, endpoint.host);
  state_ = State::kConnecting;
  wanted_ = EPOLLOUT;
  // A failure here is reported by the socket too: the loop then says it is ready.
  (void)connect(fd_, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.address_bytes);
  loop_.Watch(fd_, wanted_, this);
}

void Stream::Close() {
  loop_.Cancel(&no_socket_);
  if (fd_ < 0) return;
  ++generation_;
  if (ssl_ != nullptr && state_ == State::kOpen) SSL_shutdown(ssl_.get());
  ssl_.reset();
  if (state_ != State::kFrozen) loop_.Unwatch(fd_);
  close(fd_);
  fd_ = -1;
  state_ = State::kClosed;
  unsent_ = std::string();
}

void Stream::Freeze() {
  if (fd_ < 0 || state_ == State::kFrozen) return;
  loop_.Unwatch(fd_);
  state_ = State::kFrozen;
}

void Stream::Write(std::string_view bytes) {
  if (state_ != State::kOpen || !unsent_.empty()) {
    if (fd_ >= 0 && state_ != State::kFrozen) unsent_.append(bytes);
    return;
  }
  while (!bytes.empty()) {
    size_t count = 0;
    const Io io = WriteSome(bytes, &count);
    bytes.remove_prefix(count);
    // A broken connection shows in the next read, outside of the owner's call.
    if (io != Io::kMore) break;
  }
  if (bytes.empty()) return;
  unsent_.assign(bytes);
  Want(EPOLLIN | EPOLLOUT);
}

void Stream::OnReady(uint32_t events) {
  switch (state_) {
    case State::kConnecting:
      return FinishConnect();
    case State::kHandshake:
      return Handshake();
    case State::kOpen: {
      const uint32_t generation = generation_;
      if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadAll();
      if (generation == generation_ && (events & EPOLLOUT) != 0) Flush();
      return;
    }
    case State::kClosed:
    case State::kFrozen:
      return;
  }
}

void Stream::FinishConnect() {
  int error = 0;
  socklen_t error_bytes = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
  if (error != 0) return End(std::strerror(error));
  if (ssl_ != nullptr) {
    state_ = State::kHandshake;
    return Handshake();
  }
  state_ = State::kOpen;
  Flush();
}

void Stream::Handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::kOpen;
    return Flush();
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Want(EPOLLIN);
    case SSL_ERROR_WANT_WRITE:
      return Want(EPOLLOUT);
    default:
      return End(TakeSslError("connection lost in the TLS handshake"));
  }
}

void Stream::ReadAll() {
  const uint32_t generation = generation_;
  Io io = Io::kMore;
  while (io == Io::kMore) {
    size_t count = 0;
    io = ReadSome(&count);
    if (count > 0) owner_.OnBytes({loop_.read_buffer().data(), count});
    if (generation != generation_ || state_ != State::kOpen) return;
  }
  if (io == Io::kEnd) End(error_);
}

Stream::Io Stream::ReadSome(size_t* count) {
  std::vector<char>& buffer = loop_.read_buffer();
  if (ssl_ != nullptr) {
    const int result = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (result <= 0) return SslOutcome(result);
    *count = static_cast<size_t>(result);
    return Io::kMore;
  }
  const ssize_t result = recv(fd_, buffer.data(), buffer.size(), 0);
  if (result > 0) {
    *count = static_cast<size_t>(result);
    // What a full read left behind, the level-triggered loop announces again.
    return Io::kWait;
  }
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return Io::kWait;
  error_ = result == 0 ? "closed by the server" : std::strerror(errno);
  return Io::kEnd;
}

Stream::Io Stream::WriteSome(std::string_view bytes, size_t* count) {
  if (ssl_ != nullptr) {
    const int result = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (result <= 0) return SslOutcome(result);
    *count = static_cast<size_t>(result);
    return Io::kMore;
  }
  const ssize_t result = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (result >= 0) {
    *count = static_cast<size_t>(result);
    return *count == bytes.size() ? Io::kMore : Io::kWait;
  }
  if (errno == EAGAIN || errno == EINTR) return Io::kWait;
  error_ = std::strerror(errno);
  return Io::kEnd;
}

// TLS 1.3 has no renegotiation: reading never waits for the socket to be writable, nor the reverse.
Stream::Io Stream::SslOutcome(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Io::kWait;
  error_ =
      error == SSL_ERROR_ZERO_RETURN ? "closed by the server" : TakeSslError("connection lost");
  return Io::kEnd;
}

void Stream::Flush() {
  size_t sent = 0;
  Io io = Io::kMore;
  while (sent < unsent_.size() && io == Io::kMore) {
    size_t count = 0;
    io = WriteSome(std::string_view(unsent_).substr(sent), &count);
    sent += count;
  }
  if (io == Io::kEnd) return End(error_);
  if (sent == unsent_.size()) {
    unsent_ = std::string();
  } else {
    unsent_.erase(0, sent);
  }
  Want(unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void Stream::Want(uint32_t events) {
  if (wanted_ == events) return;
  wanted_ = events;
  loop_.Rewatch(fd_, events, this);
}

void Stream::End(std::string_view why) {
  const std::string text(why);  // `why` may be error_, which the owner's Open() may change
  Close();
  owner_.OnEnd(text);
}

}  // namespace homeport::fleet
