#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/tls13/record_layer.h"

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

// One connected, non-blocking socket, plain or under TLS: bytes in, bytes out. Without TLS it has
// no buffers; under TLS only for a record in part. Owned by its session; Close releases it. Not
// thread-safe.
class Transport {
 public:
  enum class Kind : uint8_t {
    kPlain,
    kOpenSsl,
    kCompact,  // TLS 1.3 without OpenSSL's session: tls13::RecordLayer
  };

  // Read takes at least this much under Kind::kCompact: a record opened in place.
  static constexpr size_t kReadBytesMin = tls13::kRecordBytesMax;

  Transport() = default;
  explicit Transport(int fd) : fd_(fd) {}

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_tls() const { return kind_ != Kind::kPlain; }
  // The next Read has something to say that no readiness event will announce.
  [[nodiscard]] bool HasPending() const;

  // Everything from here on goes through `ssl`, which is owned (TlsServer::Accept).
  // REQUIRES: !is_tls().
  void StartTls(SSL* ssl);
  // Drives the TLS handshake; kOk when it is complete. After kError `failure` says why, in a word.
  [[nodiscard]] IoResult Handshake(std::string_view* failure);
  // OpenSSL's session, for what it knows of the peer (certificate, ALPN, resumption); nullptr of
  // other kinds.
  [[nodiscard]] SSL* ssl() const {
    return kind_ == Kind::kOpenSsl ? static_cast<SSL*>(tls_) : nullptr;
  }
  // What the client proved to hold: its certificate and those it sent along (PeerChain::Of).
  // REQUIRES: the handshake is complete, FinishHandshake not called.
  [[nodiscard]] std::vector<std::string> PeerCertificates() const;
  // To be called once, when the handshake is complete and all that is wanted of ssl() has been
  // read. With an engine, which must outlive the transport, a session that allows it becomes
  // kCompact, and ssl() is gone.
  void FinishHandshake(tls13::Engine* engine);

  // REQUIRES: size >= kReadBytesMin under kCompact.
  [[nodiscard]] IoResult Read(char* out, size_t size);
  // Under TLS, bytes that were not reported as moved may be on their way already: the next Write
  // must begin with them.
  [[nodiscard]] IoResult Write(std::string_view bytes);
  // Sends close_notify where possible, closes the socket, frees TLS.
  void Close();
  // As Close, but leaves the socket open, for the caller to close.
  [[nodiscard]] int Detach();

 private:
  [[nodiscard]] IoResult FromSsl(int result) const;
  [[nodiscard]] tls13::RecordLayer& layer() const {
    return *static_cast<tls13::RecordLayer*>(tls_);
  }
  [[nodiscard]] IoResult ReadCompact(char* out, size_t size);
  [[nodiscard]] IoResult WriteCompact(std::string_view bytes);
  [[nodiscard]] bool SendUnsent();
  void SendEnd();
  void FreeTls();

  void* tls_ = nullptr;  // SSL or tls13::RecordLayer, by kind_
  int fd_ = -1;
  Kind kind_ = Kind::kPlain;
};

}  // namespace homeport::net
