#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/net/tls.h"
#include "libs/net/transport.h"

namespace homeport::net::testing {

// What a TLS client's call came to.
enum class Step { kDone, kAgain, kClosed, kFailed };

// A client of another TLS stack, on a non-blocking socket. Every call may have to be repeated.
class TlsPeer {
 public:
  struct Options {
    std::string suite = {};  // the stack's own name of one TLS 1.3 suite; empty: its default
    bool tls12 = false;
    std::string alpn = {};          // empty: none offered
    std::string session = {};       // to resume, as Session() gave it
    int max_fragment = 0;           // asks for records of at most so many bytes
    std::string certificates = {};  // PEM, its own first; empty: none
    std::string key = {};           // of its own, PEM
  };
  virtual ~TlsPeer() = default;
  [[nodiscard]] virtual Step Handshake() = 0;
  [[nodiscard]] virtual Step Write(std::string_view text, size_t* written) = 0;
  [[nodiscard]] virtual Step Read(std::string* text) = 0;
  // Changes its keys, and asks the server to do so too where `request` says so.
  [[nodiscard]] virtual Step KeyUpdate(bool request) = 0;
  virtual void CloseNotify() = 0;
  [[nodiscard]] virtual std::string Session() = 0;
  [[nodiscard]] virtual bool resumed() = 0;
  // The alert that ended the connection, 0 for none.
  [[nodiscard]] virtual int alert() = 0;
};
[[nodiscard]] std::unique_ptr<TlsPeer> OpenSslPeer(int fd, const TlsPeer::Options& options);
[[nodiscard]] std::unique_ptr<TlsPeer> GnuTlsPeer(int fd, const TlsPeer::Options& options);

}  // namespace homeport::net::testing
