#include "libs/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::net {
namespace {

constexpr int kAcceptsPerEvent = 64;
constexpr int kBacklog = 4096;
constexpr int64_t kPauseMs = 100;

void SetOption(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

}  // namespace

absl::Status Listener::Listen(const std::string& address) {
  HP_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
  HP_ASSIGN_OR_RETURN(const SocketAddress resolved, Resolve(parsed));
  Fd fd(::socket(resolved.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    return absl::InternalError(fmt::format("listen on {}: {}", address, std::strerror(errno)));
  }
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY);  // accepted sockets inherit it
  sockaddr_storage storage = resolved.storage;
  if (::bind(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&storage)), resolved.size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return absl::UnavailableError(fmt::format("listen on {}: {}", address, std::strerror(errno)));
  }
  HP_RETURN_IF_ERROR(reactor_.Add(fd.get(), EPOLLIN, this));
  fd_ = std::move(fd);
  return absl::OkStatus();
}

void Listener::Close() {
  if (!fd_.valid()) return;
  reactor_.Remove(fd_.get());
  fd_.Reset();
}

void Listener::OnReady(uint32_t /*events*/) {
  for (int i = 0; i < kAcceptsPerEvent && fd_.valid(); ++i) {
    SocketAddress peer;
    peer.size = sizeof peer.storage;
    Fd accepted(::accept4(fd_.get(), static_cast<sockaddr*>(static_cast<void*>(&peer.storage)),
                          &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted.valid()) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno != EAGAIN) Pause();
      return;
    }
    on_accept_(std::move(accepted), EndpointOf(peer));
  }
}

// Out of descriptors, or of memory: the connections wait in the kernel's queue while others end.
void Listener::Pause() {
  if (paused_) return;
  paused_ = true;
  log::Refusal("accept_paused", {{"reason", std::strerror(errno)}, {"ms", kPauseMs}});
  on_paused_();
  reactor_.Modify(fd_.get(), 0, this);
  reactor_.After(kPauseMs, [this] {
    paused_ = false;
    if (fd_.valid()) reactor_.Modify(fd_.get(), EPOLLIN, this);
  });
}

}  // namespace homeport::net
