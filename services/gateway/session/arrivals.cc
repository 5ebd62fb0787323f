#include "services/gateway/session/arrivals.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/net/address.h"
#include "libs/peer/proxy_header.h"
#include "libs/websocket/upgrade.h"

namespace homeport::gateway {

using Kind = Arrivals::Result::Kind;

bool Arrivals::Admit(const peer::IpEndpoint& source, uint32_t now_s) {
  if (options_.proxy_from.Contains(source.ip)) return true;  // its clients are limited, not it
  if (sources_.Admit(source.ip, now_s)) return true;
  probe_.Refuse("source_connects_per_second");
  log::Refusal("connection_refused",
               {{"limit", "source_connects_per_second"}, {"peer", source.ToString()}});
  return false;
}

Arrivals::Result Arrivals::Begin(Session& session, Door door, const peer::IpEndpoint& source,
                                 uint32_t now_s) {
  session.websocket = door.websocket;
  const bool by_balancer = options_.proxy_from.Contains(source.ip);
  if (!by_balancer && !door.tls && !door.websocket) return Arrived(session);
  auto& slot = arrivals_[session.index];
  slot = std::make_unique<Arrival>(Arrival{.door = door});
  if (!by_balancer) return BeginTls(session, *slot);
  session.phase = Phase::kProxyHeader;
  return ReadProxy(session, *slot, now_s);
}

Arrivals::Result Arrivals::Advance(Session& session, uint32_t now_s) {
  Arrival& arrival = *arrivals_.at(session.index);
  switch (session.phase) {
    case Phase::kProxyHeader:
      return ReadProxy(session, arrival, now_s);
    case Phase::kHandshake:
      return Handshake(session, arrival);
    default:
      return ReadUpgrade(session, arrival);
  }
}

// Takes no byte beyond the header: what follows belongs to TLS.
Arrivals::Result Arrivals::ReadProxy(Session& session, Arrival& arrival, uint32_t now_s) {
  std::array<char, peer::kProxyHeaderBytesMax> buffer;
  const ssize_t got = ::recv(session.transport.fd(), buffer.data(), buffer.size(), MSG_PEEK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (got <= 0) return Refuse(session, "proxy_header", "connection lost");
  const size_t before = arrival.bytes.size();
  arrival.bytes.append(buffer.data(), static_cast<size_t>(got));
  const peer::ProxyHeader header = peer::ReadProxyHeader(arrival.bytes);
  if (header.kind == peer::ProxyHeader::Kind::kError) {
    return Refuse(session, "proxy_header", "malformed PROXY header");
  }
  const bool whole = header.kind == peer::ProxyHeader::Kind::kHeader;
  const size_t take = whole ? header.bytes - before : static_cast<size_t>(got);
  if (::recv(session.transport.fd(), buffer.data(), take, 0) != static_cast<ssize_t>(take)) {
    return Refuse(session, "proxy_header", "connection lost");
  }
  if (!whole) return {};
  if (header.proxied) {
    session.proxied = true;
    proxied_[session.index] = header.source;
    if (!sources_.Admit(header.source.ip, now_s)) {
      return Refuse(session, "source_connects_per_second", "too many connections of one source");
    }
  }
  arrival.bytes = std::string();
  return BeginTls(session, arrival);
}

Arrivals::Result Arrivals::BeginTls(Session& session, Arrival& arrival) {
  if (!arrival.door.tls) return AfterTls(session, arrival);
  if (handshakes_ >= options_.handshakes_max) {
    return Refuse(session, "tls_handshakes_max", "too many TLS handshakes under way");
  }
  const net::AlpnSet alpn = arrival.door.websocket ? net::AlpnSet::kWebSocket : net::AlpnSet::kMqtt;
  SSL* ssl = tls_->Accept(session.transport.fd(), alpn);
  if (ssl == nullptr) return Refuse(session, "tls_memory", "no memory for TLS");
  session.transport.StartTls(ssl);
  arrival.tls_begun_us = MonotonicMicros();
  session.phase = Phase::kHandshake;
  ++handshakes_;
  return {};
}

Arrivals::Result Arrivals::Handshake(Session& session, Arrival& arrival) {
  std::string_view failure;
  const net::IoResult result = session.transport.Handshake(&failure);
  if (result.status == net::IoStatus::kWouldBlock) return {.wants_write = result.wants_write};
  if (result.status != net::IoStatus::kOk) {
    probe_.HandshakeFailed(failure);
    return Refuse(session, "tls_handshake", failure);
  }
  FinishHandshake(session, arrival);
  return AfterTls(session, arrival);
}

void Arrivals::FinishHandshake(Session& session, const Arrival& arrival) {
  --handshakes_;
  probe_.handshakes.Increment();
  probe_.handshake_us.Observe(MonotonicMicros() - arrival.tls_begun_us);
  if (SSL_session_reused(session.transport.ssl()) == 1) probe_.resumptions.Increment();
  std::vector<std::string> chain = session.transport.PeerCertificates();
  if (!chain.empty()) peer_chains_[session.index] = std::move(chain);
  session.transport.FinishHandshake(tls_->engine());
  SessionsOf(session).Add(1);
  session.phase = Phase::kUpgrade;  // no longer one of the handshakes under way
}

Arrivals::Result Arrivals::AfterTls(Session& session, Arrival& arrival) {
  if (!arrival.door.websocket) return Arrived(session);
  session.phase = Phase::kUpgrade;
  return ReadUpgrade(session, arrival);
}

Arrivals::Result Arrivals::ReadUpgrade(Session& session, Arrival& arrival) {
  std::array<char, net::Transport::kReadBytesMin> buffer;
  do {
    const net::IoResult read = session.transport.Read(buffer.data(), buffer.size());
    if (read.status == net::IoStatus::kWouldBlock) return {.wants_write = read.wants_write};
    if (read.status != net::IoStatus::kOk) return Refuse(session, "upgrade", "connection lost");
    arrival.bytes.append(buffer.data(), read.bytes);
  } while (session.transport.HasPending() && arrival.bytes.size() < options_.head_bytes_max);
  websocket::UpgradeResult upgrade = websocket::ReadUpgrade(arrival.bytes, options_.head_bytes_max);
  if (upgrade.kind == websocket::UpgradeResult::Kind::kNeedMore) return {};
  if (upgrade.kind == websocket::UpgradeResult::Kind::kRefused) {
    Result refused = Refuse(session, "upgrade", upgrade.why);
    refused.send = std::move(upgrade.response);
    return refused;
  }
  std::string rest = arrival.bytes.substr(upgrade.bytes_taken);
  Result arrived = Arrived(session);
  arrived.send = std::move(upgrade.response);
  arrived.bytes = std::move(rest);
  return arrived;
}

Arrivals::Result Arrivals::Arrived(Session& session) {
  arrivals_.erase(session.index);
  session.phase = Phase::kAwaitConnect;
  return {.kind = Kind::kArrived};
}

Arrivals::Result Arrivals::Refuse(const Session& session, std::string_view reason,
                                  std::string_view why) {
  probe_.Refuse(reason);
  log::Refusal("connection_refused", {{"reason", reason}, {"why", why}, {"peer", PeerOf(session)}});
  return {.kind = Kind::kRefused};
}

metrics::Gauge& Arrivals::SessionsOf(const Session& session) {
  return session.transport.kind() == net::Transport::Kind::kCompact ? probe_.tls_compact_sessions
                                                                    : probe_.tls_openssl_sessions;
}

void Arrivals::Forget(const Session& session) {
  if (session.transport.is_tls()) {
    if (session.phase == Phase::kHandshake) {
      --handshakes_;
    } else {
      SessionsOf(session).Add(-1);
    }
  }
  if (session.phase < Phase::kAwaitConnect) arrivals_.erase(session.index);
  peer_chains_.erase(session.index);
  if (session.proxied) proxied_.erase(session.index);
}

std::vector<std::string> Arrivals::TakePeerChain(const Session& session) {
  const auto found = peer_chains_.find(session.index);
  if (found == peer_chains_.end()) return {};
  std::vector<std::string> chain = std::move(found->second);
  peer_chains_.erase(found);
  return chain;
}

std::string Arrivals::PeerOf(const Session& session) const {
  if (!session.proxied) return net::PeerOf(session.transport.fd());
  return proxied_.at(session.index).ToString();
}

}  // namespace homeport::gateway
