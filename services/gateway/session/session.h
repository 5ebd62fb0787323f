#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "libs/mqtt/inflight.h"
#include "libs/mqtt/limits.h"
#include "libs/mqtt/types.h"
#include "libs/net/reactor.h"
#include "libs/net/transport.h"
#include "services/gateway/session/outbound.h"
#include "services/gateway/session/owed_ack.h"
#include "services/gateway/session/session_handle.h"
#include "services/gateway/session/subscriber.h"

namespace homeport::internal::v1 {
class CertificateConfig;
}

namespace homeport::gateway {

class SessionIo;
struct ProductInfo;

// Where a session is in its life. Transitions only go down this list; what waits for its client has
// a slot of its own, which begins as kReserved or kAway.
enum class Phase : uint8_t {
  kFree,            // the slot is unused
  kProxyHeader,     // a load balancer is to say who the client is
  kHandshake,       // TLS
  kUpgrade,         // HTTP, to WebSocket
  kAwaitConnect,    // the connection is there, CONNECT is not
  kAuthenticating,  // the directory is being asked
  kClaiming,        // Redis is being asked for the ownership of the client id
  kOnline,
  kClosed,    // until the end of the loop iteration
  kReserved,  // a slot for a session of which Redis is being asked: nothing is known of it
  kAway,      // no connection: the session waits for its client (session_keeper.h)
};

// Who is connected. Set while CONNECT is being answered; of a session that is online only `product`
// changes, when the registry says so.
struct Identity {
  std::string device;  // of a claim: auth::kClaimPrefix and what makes it one of a few
  std::string client;  // the MQTT client id; equal to `device` for a device's main session
  std::shared_ptr<const ProductInfo> product;  // shared with other sessions and the control API
  // What let the client in; the cache shares the certificate.
  std::shared_ptr<const internal::v1::CertificateConfig> certificate;
  uint64_t credential = 0;   // Hash64 of the id of a secret or key; 0: a certificate, a fleet key
  uint32_t connected_s = 0;  // monotonic seconds: when CONNECT was accepted
  bool claim = false;        // holds a claim certificate: may provision, and nothing else
  // What an SDK adds to the user name; null for most. Shared by copies of the identity.
  std::shared_ptr<const std::string> inventory;
};

struct StoredFilter {
  std::string filter;
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  uint32_t id = 0;  // subscription identifier; 0: none
};

// Topics that the client knows by a number (MQTT 5 section 3.3.2.3.4); alias n is element n - 1.
struct TopicAliases {
  uint16_t max = 0;  // what the client takes
  std::vector<std::string> topics;
};

struct StoredWill {
  BusMessage message;
  uint32_t delay_s = 0;
};

// An acknowledgement of a client that publishes to several streams: they answer in any order, the
// client is told in the order of its packets [MQTT-4.6.0-2].
struct OrderedAck {
  OwedAck ack;
  bool due = false;
};

// Of a session that outlives its connection. Everything is in Redis too, or on its way there.
struct Kept {
  struct Expiring {
    int64_t due_ms = 0;  // Unix ms
    uint64_t number = 0;
    uint32_t bytes = 0;
  };
  uint32_t expiry_s = 0;     // how long it outlives it
  uint64_t last_number = 0;  // of its queue
  uint32_t queued = 0;       // messages in its queue
  uint64_t queued_bytes = 0;
  uint32_t received = 0;   // number of the last QoS 2 publish of its client, under its epoch
  int64_t end_due_ms = 0;  // while it waits: when it ends, and its will is due; 0: never
  int64_t will_due_ms = 0;
  bool is_shared = false;  // messages of shared subscriptions were queued
  bool was_found = false;  // by its client, when it came back
  bool is_level =
      false;  // it has caught up with the bus, and Redis is to be told with the next write
  // Messages that were queued while the client was away and are not to be kept for ever.
  std::vector<Expiring> expiring;
};

// What a session needs only at times; freed when it holds nothing.
struct ColdState {
  std::string input;   // bytes read and not yet decoded: a partial packet, or a paused session's
  std::string output;  // bytes to write once the socket takes them
  size_t output_sent = 0;  // of `output`
  std::unique_ptr<StoredWill> will;
  std::vector<StoredFilter> filters;       // own topics, where they are no row of OwnFilters
  std::vector<std::string> things;         // whose shadows it uses beside its device's
  std::unique_ptr<Subscriber> subscriber;  // topics that are not the device's own
  std::vector<std::string> topic_aliases;  // of the client; alias n is element n - 1
  std::deque<OrderedAck> acks;
  mqtt::InboundQos2Ids from_device_qos2;
  Outbound outbound;
  std::unique_ptr<Kept> kept;
  TopicAliases aliases_out;
  uint16_t receive_max = 65'535;  // the client's
  uint32_t packet_bytes_max = 0;  // the client's; 0: no limit
  bool wants_no_reasons = false;  // what it is refused for needs no words

  [[nodiscard]] bool IsIdle() const {
    return input.empty() && output.empty() && !will && filters.empty() && things.empty() &&
           !subscriber && topic_aliases.empty() && acks.empty() && from_device_qos2.size() == 0 &&
           outbound.empty() && !kept && aliases_out.max == 0 && receive_max == 65'535 &&
           packet_bytes_max == 0 && !wants_no_reasons;
  }
};

// One MQTT session: about a hundred bytes while idle. Lives in a slot of SessionTable, whose
// address never changes. Shard's thread only.
class Session final : public net::IoHandler {
 public:
  void OnReady(uint32_t events) override;

  [[nodiscard]] SessionHandle handle() const { return {index, generation}; }
  [[nodiscard]] bool is_open() const { return phase != Phase::kFree && phase < Phase::kClosed; }
  [[nodiscard]] bool is_away() const { return phase == Phase::kAway; }
  [[nodiscard]] Kept* kept() const { return cold ? cold->kept.get() : nullptr; }
  [[nodiscard]] ColdState& Cold() {
    if (!cold) cold = std::make_unique<ColdState>();
    return *cold;
  }
  // Whether refusals say why in words too [MQTT-3.1.2-29].
  [[nodiscard]] bool WantsReasons() const {
    return version == mqtt::Version::k5 && !(cold && cold->wants_no_reasons);
  }
  // Whether the client takes a packet of that size [MQTT-3.1.2-24].
  [[nodiscard]] bool FitsClient(size_t packet_bytes) const {
    return !cold || cold->packet_bytes_max == 0 || packet_bytes <= cold->packet_bytes_max;
  }
  // Subscriptions of all kinds.
  [[nodiscard]] size_t filter_count() const {
    const size_t own = static_cast<size_t>(std::popcount(own_filters));
    if (!cold) return own;
    return own + cold->filters.size() + (cold->subscriber ? cold->subscriber->filters.size() : 0);
  }
  void TrimCold() {
    if (cold && cold->IsIdle()) cold.reset();
  }

  SessionIo* io = nullptr;  // outlives every session
  net::Transport transport;
  uint64_t epoch = 0;  // of the ownership claim; 0 before it
  std::unique_ptr<Identity> identity;
  std::unique_ptr<ColdState> cold;
  uint32_t index = 0;
  uint32_t generation = 0;
  uint32_t own_filters = 0;       // rows of OwnFilters the client has subscribed to
  uint32_t own_filters_qos1 = 0;  // those of them granted QoS 1
  uint32_t last_active = 0;       // SessionIo's ticks
  uint32_t second_bytes = 0;      // received in that second, for the rate limit
  uint16_t second_publishes = 0;
  uint16_t keep_alive_s = 0;  // as agreed
  uint16_t unacked_up = 0;    // QoS 1 and 2 publishes received and not yet acknowledged
  Phase phase = Phase::kFree;
  mqtt::Version version = mqtt::Version::k311;
  bool is_31 = false;           // MQTT 3.1, with version k311
  bool reading = false;         // EPOLLIN is armed
  bool writing = false;         // EPOLLOUT is armed
  bool paused = false;          // input is left alone until Resume
  bool peer_gone = false;       // nothing can be sent: what it had sent is still read
  bool waits_for_acks = false;  // paused until fewer publishes are unacknowledged, or
                                // awaits_former is over
  bool websocket = false;       // SessionIo frames what is read and written
  bool proxied = false;         // a load balancer named the peer: SessionIo::PeerOf
  bool taken_over = false;      // the client id belongs to a newer connection
  bool resumed = false;         // … which goes on with this session
  bool successor_left = false;  // … or has left again before it was there
  bool awaits_former = false;   // what its former connection has received is not known yet
  bool aged = false;            // Departures has seen it before
};

}  // namespace homeport::gateway
