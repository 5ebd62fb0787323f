#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "libs/net/tls.h"
#include "libs/peer/ip_endpoint.h"
#include "services/gateway/probe.h"
#include "services/gateway/session/session.h"
#include "services/gateway/session/source_limits.h"

namespace homeport::gateway {

// Which listener a connection came through.
struct Door {
  bool tls = false;
  bool websocket = false;
};

// Brings connections from accept to their first byte of MQTT: limits of their source address, PROXY
// header, TLS handshake, WebSocket upgrade. Shard's thread only.
class Arrivals {
 public:
  struct Options {
    uint32_t handshakes_max = 2000;              // TLS handshakes under way
    uint32_t source_connects_per_second = 1000;  // 0: no limit
    uint32_t head_bytes_max = 8192;              // of a WebSocket upgrade
    peer::IpSet proxy_from;                      // balancers whose PROXY header is believed
  };

  Arrivals(ShardProbe& probe, Options options)
      : probe_(probe),
        options_(std::move(options)),
        sources_(options_.source_connects_per_second) {}

  // What new handshakes use. `server` must outlive them; may be null while no door has TLS.
  void set_tls(net::TlsServer* server) { tls_ = server; }

  struct Result {
    enum class Kind : uint8_t {
      kWait,
      kArrived,  // `bytes` are the first that follow, of WebSocket frames where the door says so
      kRefused,  // counted and logged
    };
    Kind kind = Kind::kWait;
    bool wants_write = false;  // kWait
    std::string send = {};     // before anything else
    std::string bytes = {};
  };

  // Before a connection gets a slot: false where its source has opened too many.
  [[nodiscard]] bool Admit(const peer::IpEndpoint& source, uint32_t now_s);
  // The connection has its slot; sets its phase.
  [[nodiscard]] Result Begin(Session& session, Door door, const peer::IpEndpoint& source,
                             uint32_t now_s);
  // There may be more to read, or room to write. REQUIRES: the last result was kWait.
  [[nodiscard]] Result Advance(Session& session, uint32_t now_s);
  // The session ends, wherever it is.
  void Forget(const Session& session);

  // The certificates the client came with (net::Transport::PeerCertificates), once.
  [[nodiscard]] std::vector<std::string> TakePeerChain(const Session& session);

  // The other end: what a balancer said of it, or else the socket's own.
  [[nodiscard]] std::string PeerOf(const Session& session) const;

 private:
  struct Arrival {
    Door door;
    std::string bytes = {};  // of a PROXY header or an upgrade so far
    int64_t tls_begun_us = 0;
  };

  [[nodiscard]] Result ReadProxy(Session& session, Arrival& arrival, uint32_t now_s);
  [[nodiscard]] Result BeginTls(Session& session, Arrival& arrival);
  [[nodiscard]] Result Handshake(Session& session, Arrival& arrival);
  void FinishHandshake(Session& session, const Arrival& arrival);
  [[nodiscard]] metrics::Gauge& SessionsOf(const Session& session);
  [[nodiscard]] Result AfterTls(Session& session, Arrival& arrival);
  [[nodiscard]] Result ReadUpgrade(Session& session, Arrival& arrival);
  [[nodiscard]] Result Arrived(Session& session);
  [[nodiscard]] Result Refuse(const Session& session, std::string_view reason,
                              std::string_view why);

  ShardProbe& probe_;
  const Options options_;
  SourceLimits sources_;
  net::TlsServer* tls_ = nullptr;
  uint32_t handshakes_ = 0;  // under way
  // By session index; unique_ptr because the steps hold references while they erase.
  absl::flat_hash_map<uint32_t, std::unique_ptr<Arrival>> arrivals_;
  // Of sessions with a client certificate whose CONNECT is to come.
  absl::flat_hash_map<uint32_t, std::vector<std::string>> peer_chains_;
  absl::flat_hash_map<uint32_t, peer::IpEndpoint> proxied_;  // of sessions that came by a balancer
};

}  // namespace homeport::gateway
