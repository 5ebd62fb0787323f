#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace homeport::net {

enum class IoStatus : uint8_t {
  kOk,
  kWouldBlock,  // wait for readability (reads, handshakes) or writability (writes)
  kClosed,      // the peer closed in order
  kError,       // reset, TLS alert or violation
};

struct IoResult {
  IoStatus status = IoStatus::kOk;
  size_t bytes = 0;          // moved; > 0 exactly with kOk
  bool wants_write = false;  // kWouldBlock of a handshake or read that must write first
};

// One connected, non-blocking socket, plain or under TLS: bytes in, bytes out, no buffers of its
// own. Owned by its session; Close releases it. Not thread-safe.
class Transport {
 public:
  Transport() = default;
  Transport(int fd, SSL* ssl) : ssl_(ssl), fd_(fd) {}

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }
  // TLS has decrypted bytes that no readiness event will announce.
  [[nodiscard]] bool HasPending() const { return ssl_ != nullptr && SSL_pending(ssl_) > 0; }

  // Everything from here on goes through `ssl`, which is owned. REQUIRES: !is_tls().
  void StartTls(SSL* ssl) { ssl_ = ssl; }
  // Drives the TLS handshake; kOk when it is complete.
  [[nodiscard]] IoResult Handshake();
  [[nodiscard]] IoResult Read(char* out, size_t size);
  [[nodiscard]] IoResult Write(std::string_view bytes);
  // Sends close_notify where possible, closes the socket, frees TLS.
  void Close();

 private:
  [[nodiscard]] IoResult FromSsl(int result);

  SSL* ssl_ = nullptr;
  int fd_ = -1;
};

}  // namespace homeport::net
