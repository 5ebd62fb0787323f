#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "libs/net/address.h"
#include "libs/net/fd.h"
#include "libs/net/reactor.h"
#include "libs/peer/ip_endpoint.h"

namespace homeport::net {

// One reactor's listening socket. With SO_REUSEPORT every reactor has its own on the same address
// and the kernel spreads connections over them. Reactor's thread only.
class Listener final : public IoHandler {
 public:
  // Called with each accepted socket (non-blocking, close-on-exec, TCP_NODELAY) and its other end.
  using OnAccept = absl::AnyInvocable<void(Fd, const peer::IpEndpoint&)>;

  // Accepting fails, as where no descriptors are left: connections wait in the kernel's queue for a
  // moment.
  using OnPaused = absl::AnyInvocable<void()>;

  Listener(Reactor& reactor, OnAccept on_accept, OnPaused on_paused)
      : reactor_(reactor), on_accept_(std::move(on_accept)), on_paused_(std::move(on_paused)) {}
  ~Listener() { Close(); }

  // Errors name the address.
  [[nodiscard]] absl::Status Listen(const std::string& address);
  void Close();

 private:
  void OnReady(uint32_t events) override;
  void Pause();

  Reactor& reactor_;
  OnAccept on_accept_;
  OnPaused on_paused_;
  Fd fd_;
  bool paused_ = false;
};

}  // namespace homeport::net
