#include "libs/net/transport.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace homeport::net {
namespace {

constexpr size_t kSslIoBytesMax = 1 << 30;

IoResult FromErrno() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    return {IoStatus::kWouldBlock, 0, false};
  }
  return {IoStatus::kError, 0, false};
}

}  // namespace

IoResult Transport::FromSsl(int result) {
  if (result > 0) return {IoStatus::kOk, static_cast<size_t>(result), false};
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {IoStatus::kWouldBlock, 0, false};
    case SSL_ERROR_WANT_WRITE:
      return {IoStatus::kWouldBlock, 0, true};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStatus::kClosed, 0, false};
    default:
      ERR_clear_error();
      return {IoStatus::kError, 0, false};
  }
}

IoResult Transport::Handshake() {
  ERR_clear_error();
  return FromSsl(SSL_do_handshake(ssl_));
}

IoResult Transport::Read(char* out, size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    return FromSsl(SSL_read(ssl_, out, static_cast<int>(std::min(size, kSslIoBytesMax))));
  }
  const ssize_t got = ::recv(fd_, out, size, 0);
  if (got > 0) return {IoStatus::kOk, static_cast<size_t>(got), false};
  if (got == 0) return {IoStatus::kClosed, 0, false};
  return FromErrno();
}

IoResult Transport::Write(std::string_view bytes) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    return FromSsl(
        SSL_write(ssl_, bytes.data(), static_cast<int>(std::min(bytes.size(), kSslIoBytesMax))));
  }
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return {IoStatus::kOk, static_cast<size_t>(sent), false};
  return FromErrno();
}

void Transport::Close() {
  if (ssl_ != nullptr) {
    if (SSL_is_init_finished(ssl_)) {
      ERR_clear_error();
      SSL_shutdown(ssl_);
      ERR_clear_error();
    }
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace homeport::net
