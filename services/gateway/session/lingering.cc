#include "services/gateway/session/lingering.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "libs/base/log.h"

namespace homeport::gateway {
namespace {

constexpr size_t kReadBytes = 16 << 10;

}  // namespace

void Lingering::Take(net::Fd fd) {
  ::shutdown(fd.get(), SHUT_WR);
  if (sockets_.size() >= options_.sockets_max) {
    probe_.Refuse("lingering_max");
    return log::Refusal("not_lingering", {{"limit", "lingering_max"}, {"next", "closed at once"}});
  }
  const uint64_t number = ++last_number_;
  auto socket = std::make_unique<Socket>(*this, std::move(fd));
  socket->number = number;
  if (const absl::Status added = reactor_.Add(socket->fd.get(), EPOLLIN, socket.get());
      !added.ok()) {
    probe_.Refuse("lingering_failed");
    return log::Refusal("not_lingering", {{"error", added}, {"next", "closed at once"}});
  }
  socket->timer = reactor_.After(options_.ms_max, [this, number] { Cut(number, "linger_ms_max"); });
  sockets_.emplace(number, std::move(socket));
}

void Lingering::Socket::OnReady(uint32_t /*events*/) {
  if (fd.get() < 0) return;
  std::array<char, kReadBytes> waste;
  const ssize_t got = ::read(fd.get(), waste.data(), waste.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) bytes += static_cast<uint32_t>(got);
  if (got <= 0) return owner.End(number);
  if (bytes > owner.options_.bytes_max) owner.Cut(number, "linger_bytes_max");
}

void Lingering::Cut(uint64_t number, std::string_view limit) {
  probe_.Refuse(limit);
  log::Refusal("lingering_cut", {{"limit", limit}, {"next", "the peer is reset"}});
  End(number);
}

// The handler lives until the end of the iteration, the socket does not.
void Lingering::End(uint64_t number) {
  auto found = sockets_.extract(number);
  if (found.empty()) return;
  reactor_.Cancel(found.mapped()->timer);
  found.mapped()->fd = net::Fd();
  reactor_.Defer([socket = std::move(found.mapped())] {});
}

}  // namespace homeport::gateway
