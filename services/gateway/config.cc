#include "services/gateway/config.h"

#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/net/address.h"
#include "libs/peer/ip_endpoint.h"
#include "libs/routing/keys.h"
#include "libs/rpc/channel.h"

namespace homeport::gateway {
namespace {

using Listen = std::pair<std::string_view, const std::string*>;  // the setting, and what it says

std::vector<Listen> MqttListens(const GatewayConfig& c) {
  return {{"mqtt-listen", &c.mqtt_listen},
          {"mqtts-listen", &c.mqtts_listen},
          {"ws-listen", &c.ws_listen},
          {"wss-listen", &c.wss_listen}};
}

absl::Status CheckLoopback(std::string_view setting, const std::string& listen) {
  if (listen.empty()) return absl::OkStatus();
  const auto address = net::ParseAddress(listen);
  if (!address.ok()) return address.status();
  const auto resolved = net::Resolve(*address);
  if (!resolved.ok()) return resolved.status();
  if (net::IsLoopback(*resolved)) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(setting) + " " + listen +
                                    ": --anonymous is allowed on loopback addresses only");
}

absl::Status CheckAddress(std::string_view setting, std::string_view value) {
  const absl::Status status = net::ParseAddress(value).status();
  if (status.ok()) return status;
  return absl::InvalidArgumentError(fmt::format("{}: {}", setting, std::string(status.message())));
}

absl::Status CheckRegistry(const GatewayConfig& c) {
  const std::vector<std::string> registries =
      absl::StrSplit(c.registry_grpc, ',', absl::SkipEmpty());
  for (const std::string& registry : registries) {
    HP_RETURN_IF_ERROR(CheckAddress("registry-grpc", registry));
  }
  if (registries.size() < 2) return absl::OkStatus();
  const absl::Status status = rpc::CheckTarget(c.registry_grpc);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      fmt::format("registry-grpc: {}", std::string(status.message())));
}

absl::Status CheckAddresses(const GatewayConfig& c) {
  HP_RETURN_IF_ERROR(CheckAddress("redis", c.redis));
  HP_RETURN_IF_ERROR(CheckRegistry(c));
  std::vector<Listen> listens = MqttListens(c);
  listens.insert(listens.end(),
                 {{"grpc-listen", &c.grpc_listen}, {"metrics-listen", &c.metrics_listen}});
  for (const auto& [setting, listen] : listens) {
    if (!listen->empty()) HP_RETURN_IF_ERROR(CheckAddress(setting, *listen));
  }
  return absl::OkStatus();
}

void DeclareAddresses(config::Table& table, GatewayConfig& c) {
  table.Text("mqtt-listen", &c.mqtt_listen,
             {.unit = "host:port", .doc = "MQTT over plain TCP; empty: off"});
  table.Text("mqtts-listen", &c.mqtts_listen,
             {.unit = "host:port", .doc = "MQTT over TLS; empty: off"});
  table.Text("ws-listen", &c.ws_listen,
             {.unit = "host:port", .doc = "MQTT over WebSocket, path /mqtt or /; empty: off"});
  table.Text("wss-listen", &c.wss_listen,
             {.unit = "host:port", .doc = "MQTT over WebSocket over TLS; empty: off"});
  table.Text("proxy-from", &c.proxy_from,
             {.unit = "addresses and ranges, joined by commas",
              .doc = "load balancers whose connections begin with a PROXY header, version 1 or 2"});
  table.Text("grpc-listen", &c.grpc_listen,
             {.unit = "host:port", .doc = "ControlService, SessionService"});
  table.Text("metrics-listen", &c.metrics_listen,
             {.unit = "host:port", .doc = "/metrics, /livez, /readyz over HTTP"});
  table.Text("redis", &c.redis, {.unit = "host:port or socket path", .doc = "Redis"});
  table.Text("redis-user", &c.redis_user, {.doc = "of Redis's ACL; empty: its default user"});
  table.Text("redis-password", &c.redis_password,
             {.doc = "what Redis asks for; empty: nothing", .secret = true});
  table.Text("registry-grpc", &c.registry_grpc,
             {.unit = "host:port", .doc = "the registry; several joined by commas"});
  table.Text(
      "registry-ca", &c.registry_ca,
      {.unit = "PEM file", .doc = "what the registry's certificate chains to; empty: no TLS"});
}

void DeclareIdentity(config::Table& table, GatewayConfig& c) {
  table.Text(
      "pod-name", &c.pod_name,
      {.doc = "names this process in keys and logs; a random suffix is added at each start"});
  table.Text("tls-cert", &c.tls_cert, {.unit = "PEM file", .doc = "certificate chain"});
  table.Text("tls-key", &c.tls_key, {.unit = "PEM file", .doc = "private key"});
  table.Text("tls-ticket-keys", &c.tls_ticket_keys,
             {.unit = "file",
              .doc = "secrets that seal session tickets, the same for all gateways, one a line in "
                     "hexadecimal, the current one first; empty: one of this process"});
  table.Int("tls-ticket-lifetime-s", &c.tls_ticket_lifetime_s,
            {.min = 60, .max = 604'800, .unit = "s", .doc = "how long a ticket can be used"});
  table.Flag("tls-compact", &c.tls_compact,
             {.doc = "TLS 1.3 sessions leave OpenSSL after their handshake, and need a fraction of "
                     "its memory"});
  table.Text("service-token-file", &c.service_token_file,
             {.unit = "file", .doc = "bearer token for the registry, scope service"});
  table.Text("jwks-file", &c.jwks_file,
             {.unit = "JWKS file", .doc = "keys that verify callers' tokens", .required = true});
  table.Text("token-issuer", &c.token_issuer, {.doc = "the iss claim callers' tokens must have"});
  table.Int("device-clock-skew-s", &c.clock_skew_s,
            {.min = 0,
             .max = 86'400,
             .unit = "s",
             .doc = "how far off a device's clock may be when it signs a token"});
  table.Int("device-token-life-s-max", &c.token_life_s_max,
            {.min = 60,
             .max = 366 * 86'400,
             .unit = "s",
             .doc = "devices' tokens that expire later are refused"});
  table.Text("device-token-audience", &c.token_audience,
             {.doc = "the aud claim devices' tokens must have; empty: any"});
  table.Flag("insecure", &c.insecure, {.doc = "serve gRPC without TLS where tls-cert is empty"});
  table.Flag("anonymous", &c.anonymous,
             {.doc = "let any MQTT client in, for protocol test suites; loopback only"});
  table.Text("anonymous-denied-filter", &c.anonymous_denied_filter,
             {.doc = "a filter to which anonymous clients may not subscribe, for suites that test "
                     "the refusal"});
}

void DeclarePacketLimits(config::Table& table, GatewayConfig& c) {
  table.Int("packet-bytes-max", &c.packet_bytes_max,
            {.min = 1024, .max = 16 << 20, .unit = "bytes", .doc = "one MQTT packet"});
  table.Int("topic-bytes-max", &c.topic_bytes_max,
            {.min = 64, .max = 65'535, .unit = "bytes", .doc = "one topic or filter"});
  table.Int("topic-levels-max", &c.topic_levels_max,
            {.min = 8, .max = 256, .doc = "levels of one topic or filter"});
  table.Int("user-properties-max", &c.user_properties_max,
            {.min = 1, .max = 65'535, .doc = "user properties of one packet"});
  table.Int("client-id-bytes-max", &c.client_id_bytes_max,
            {.min = 64, .max = 65'535, .unit = "bytes", .doc = "one client id"});
}

void DeclareConnectionLimits(config::Table& table, GatewayConfig& c) {
  table.Int(
      "output-bytes-max", &c.output_bytes_max,
      {.min = 4096,
       .max = 64 << 20,
       .unit = "bytes",
       .doc = "waiting for one slow client, which is disconnected beyond it; beyond half of it "
              "messages of QoS 0 are dropped"});
  table.Int("linger-ms-max", &c.linger_ms_max,
            {.min = 0,
             .max = 60'000,
             .unit = "ms",
             .doc = "how long a client that was told of its mistake may go on sending before its "
                    "socket is closed"});
  table.Int("linger-bytes-max", &c.linger_bytes_max,
            {.min = 0, .max = 64 << 20, .unit = "bytes", .doc = "… and how much"});
  table.Int("lingering-max", &c.lingering_max,
            {.min = 0, .max = 100'000, .doc = "… and so many such sockets of one reactor"});
  table.Int("publishes-per-second", &c.publishes_per_second,
            {.min = 0, .max = 60'000, .doc = "of one session, read no faster; 0: no limit"});
  table.Int("bytes-per-second", &c.bytes_per_second,
            {.min = 0,
             .max = 1 << 30,
             .unit = "bytes",
             .doc = "published by one session, read no faster; 0: no limit"});
  table.Flag("reason-strings", &c.reason_strings,
             {.doc = "tell MQTT 5 clients in words why they are refused; where it is off, only "
                     "those that set Request Problem Information"});
  table.Flag("tell-no-subscribers", &c.tell_no_subscribers,
             {.doc = "acknowledge a QoS 1 message of an MQTT 5 client that nobody follows with 'no "
                     "matching subscribers', which costs a command of Redis; on all gateways or "
                     "none"});
}

void DeclareSessionLimits(config::Table& table, GatewayConfig& c) {
  table.Int("inflight-max", &c.inflight_max,
            {.min = 1, .max = 65'535, .doc = "QoS 1 and 2 messages of one session, each way"});
  table.Int("qos2-untold-max", &c.qos2_untold_max,
            {.min = 1,
             .max = 65'535,
             .doc = "QoS 2 messages of one session that await PUBREL, before version 5, whose "
                    "clients are told of inflight-max"});
  table.Int("subscriptions-max", &c.subscriptions_max,
            {.min = 1, .max = 10'000, .doc = "filters of one session"});
  table.Int("things-of-session-max", &c.things_of_session_max,
            {.min = 1,
             .max = 10'000,
             .doc = "things whose shadows one session uses beside its own device's, where every "
                    "topic is open"});
  table.Int(
      "session-expiry-s-max", &c.session_expiry_s_max,
      {.min = 0,
       .max = std::numeric_limits<uint32_t>::max(),
       .unit = "s",
       .doc = "how long a session may outlive its connection; longer wishes are lowered to it"});
  table.Int("waiting-messages-max", &c.waiting_messages_max,
            {.min = 1,
             .max = 1'000'000,
             .doc = "QoS 1 and 2 messages that wait for a connected client to acknowledge others, "
                    "where its session ends with its connection; more are dropped"});
  table.Int("waiting-bytes-max", &c.waiting_bytes_max,
            {.min = 1024,
             .max = 256 << 20,
             .unit = "bytes",
             .doc = "the payloads of one session's messages that wait so; more are dropped"});
  table.Int("queue-messages-max", &c.queue_messages_max,
            {.min = 1, .max = 32'000, .doc = "kept for a session whose client is away"});
  table.Int("queue-bytes-max", &c.queue_bytes_max,
            {.min = 1024,
             .max = 256 << 20,
             .unit = "bytes",
             .doc = "kept for a session whose client is away"});
}

void DeclareReactorLimits(config::Table& table, GatewayConfig& c) {
  table.Int("sessions-max", &c.sessions_max,
            {.min = 1, .max = 4'000'000'000, .doc = "sessions of one reactor"});
  table.Int("connect-deadline-s", &c.connect_deadline_s,
            {.min = 1, .max = 240, .unit = "s", .doc = "from accept to CONNACK, TLS included"});
  table.Int("tls-handshakes-max", &c.tls_handshakes_max,
            {.min = 1, .max = 1'000'000, .doc = "TLS handshakes of one reactor under way"});
  table.Int("source-connects-per-second", &c.source_connects_per_second,
            {.min = 0,
             .max = 1'000'000,
             .doc = "connections of one source address (IPv6: /64) to one reactor; 0: no limit"});
  table.Int("ws-head-bytes-max", &c.ws_head_bytes_max,
            {.min = 512, .max = 65'536, .unit = "bytes", .doc = "head of a WebSocket upgrade"});
  table.Int("ws-frame-bytes-max", &c.ws_frame_bytes_max,
            {.min = 1024, .max = 16 << 20, .unit = "bytes", .doc = "one WebSocket frame"});
  table.Int("keep-alive-s-min", &c.keep_alive_s_min,
            {.min = 1,
             .max = 3600,
             .unit = "s",
             .doc = "shorter wishes of MQTT 5 clients are raised to it"});
  table.Int(
      "keep-alive-s-max", &c.keep_alive_s_max,
      {.min = 5,
       .max = 65'535,
       .unit = "s",
       .doc =
           "longer wishes, and none (0), are lowered to it; before MQTT 5, to an hour at least"});
  table.Int("overload-lag-ms", &c.overload_lag_ms,
            {.min = 10,
             .max = 10'000,
             .unit = "ms",
             .doc = "reactor lag above which new connections are refused"});
  table.Int("memory-bytes-max", &c.memory_bytes_max,
            {.min = 0,
             .max = int64_t{1} << 44,
             .unit = "bytes",
             .doc = "resident memory above which new connections are refused; 0: "
                    "memory-percent-max of what the cgroup allows"});
  table.Int("memory-percent-max", &c.memory_percent_max, {.min = 1, .max = 100, .unit = "%"});
  table.Int("commands-max", &c.commands_max,
            {.min = 1, .max = 1'000'000, .doc = "commands of one reactor awaiting their device"});
  table.Int("action-answer-s", &c.action_answer_s,
            {.min = 60,
             .max = 86'400,
             .unit = "s",
             .doc = "how long what an action with a request_id came to is remembered"});
  table.Int("watches-max", &c.watches_max,
            {.min = 1, .max = 10'000'000, .doc = "watched devices of one reactor"});
  table.Int("watch-calls-max", &c.watch_calls_max,
            {.min = 1,
             .max = 1'000'000,
             .doc = "Watch calls of this pod; each may keep 256 events for a slow reader"});
  table.Int("session-calls-max", &c.session_calls_max,
            {.min = 1,
             .max = 100'000,
             .doc = "operators' calls about sessions that one reactor awaits answers of"});
  table.Int("talkers-max", &c.talkers_max,
            {.min = 1,
             .max = 65'536,
             .doc = "sessions of one reactor whose traffic is told apart, the most active ones"});
}

void DeclareClientLimits(config::Table& table, GatewayConfig& c) {
  table.Int("claim-window-ms", &c.claim_window_ms,
            {.min = 0,
             .max = 1000,
             .unit = "ms",
             .doc = "claims and releases of client ids of so long go to Redis together; the first "
                    "after a quiet while goes at once"});
  table.Int("connects-under-way-max", &c.connects_under_way_max,
            {.min = 1,
             .max = 100'000,
             .doc = "claims of client ids for which one reactor waits: they share Redis with the "
                    "reports of those who are connected"});
  table.Int("connects-waiting-max", &c.connects_waiting_max,
            {.min = 0,
             .max = 1'000'000,
             .doc = "clients of one reactor that wait for their claim's turn; more are refused"});
  table.Int("client-connects-per-second", &c.client_connects_per_second,
            {.min = 0,
             .max = 1000,
             .doc = "connects of one client id to one reactor, beyond a burst; 0: no limit"});
  table.Int(
      "client-connects-burst", &c.client_connects_burst,
      {.min = 1, .max = 100'000, .doc = "connects at once of a client id that was calm before"});
  table.Int("flapping-connects", &c.flapping_connects,
            {.min = 0,
             .max = 1'000'000,
             .doc = "connects of one client id, or of its device on all gateways, in "
                    "flapping-window-s beyond which it is refused for flapping-ban-s; 0: never"});
  table.Int("flapping-window-s", &c.flapping_window_s, {.min = 1, .max = 3600, .unit = "s"});
  table.Int("flapping-ban-s", &c.flapping_ban_s, {.min = 1, .max = 86'400, .unit = "s"});
  table.Int("flapping-clients-max", &c.flapping_clients_max,
            {.min = 4,
             .max = 1 << 24,
             .doc = "client ids that one reactor remembers for these limits, 32 bytes each"});
  table.Int("tenant-sessions-max", &c.tenant_sessions_max,
            {.min = 0, .max = 4'000'000'000, .doc = "sessions of one tenant on this pod; 0: any"});
  table.Int("tenant-messages-per-second", &c.tenant_messages_per_second,
            {.min = 0,
             .max = 100'000'000,
             .doc = "messages published by the devices of one tenant on this pod; 0: any"});
}

void DeclareBus(config::Table& table, GatewayConfig& c) {
  table.Int("bus-partitions", &c.bus_partitions,
            {.min = 1,
             .max = routing::kBusPartitionsMax,
             .doc = "Streams of messages between clients; the same everywhere, fixed for a "
                    "deployment's life"});
  table.Int("bus-keep-s", &c.bus_keep_s,
            {.min = 10, .max = 3600, .unit = "s", .doc = "How long those streams keep a message"});
  table.Int("bus-cache-bytes", &c.bus_cache_bytes,
            {.min = 0,
             .max = 1 << 30,
             .unit = "bytes",
             .doc = "Recent messages between clients that a reactor has at hand for sessions that "
                    "move to it"});
  table.Int("retained-messages-max", &c.retained_messages_max,
            {.min = 1,
             .max = 100'000'000,
             .doc = "Retained messages of one partition; more are delivered, but not retained"});
  table.Int("retained-bytes-max", &c.retained_bytes_max,
            {.min = 1024,
             .max = int64_t{64} << 30,
             .unit = "bytes",
             .doc = "The same, with their topics"});
}

void DeclareTuning(config::Table& table, GatewayConfig& c) {
  table.Int("partitions", &c.partitions,
            {.min = 1,
             .max = 4096,
             .doc = "uplink streams; the same everywhere, fixed for a deployment's life"});
  table.Int("reactors", &c.reactors,
            {.min = 0, .max = 256, .doc = "event loops; 0: one for each CPU of the cgroup"});
  table.Int("pod-lease-ms", &c.pod_lease_ms,
            {.min = 1000, .max = 60'000, .unit = "ms", .doc = "life of a pod's lease in Redis"});
  table.Int("loop-stuck-ms-max", &c.loop_stuck_ms_max,
            {.min = 1000,
             .max = 600'000,
             .unit = "ms",
             .doc = "a reactor that stands still for longer fails /livez"});
  table.Int("session-pod-ms", &c.session_pod_ms,
            {.min = 10,
             .max = 10'000,
             .unit = "ms",
             .doc = "how long a list of sessions, and how a former connection ended, waits for "
                    "one gateway"});
  table.Int("former-end-ms-max", &c.former_end_ms_max,
            {.min = 0,
             .max = 60'000,
             .unit = "ms",
             .doc = "how long what was published while a session moved waits for the end of its "
                    "former connection; then it goes with DUP"});
  table.Int("uplink-window-ms", &c.uplink_window_ms,
            {.min = 0, .max = 1000, .unit = "ms", .doc = "how long a batch waits for company"});
  table.Int("uplink-buffer-bytes", &c.uplink_buffer_bytes,
            {.min = 1 << 20,
             .max = int64_t{8} << 30,
             .unit = "bytes",
             .doc = "uplink kept by one reactor while Redis is away; then reading stops"});
  table.Flag("lifecycle-events", &c.lifecycle_events,
             {.doc = "publish $aws/events/… while a client anywhere follows them"});
  table.Int("traffic-window-s", &c.traffic_window_s,
            {.min = 1,
             .max = 3600,
             .unit = "s",
             .doc = "sessions' traffic is told over the last one or two windows"});
}

void DeclareDirectory(config::Table& table, GatewayConfig& c) {
  table.Int("directory-ttl-s", &c.directory_ttl_s,
            {.min = 1,
             .max = 3600,
             .unit = "s",
             .doc = "how long products and credentials are cached, give or take a tenth"});
  table.Int(
      "directory-negative-ttl-s", &c.directory_negative_ttl_s,
      {.min = 1,
       .max = 3600,
       .unit = "s",
       .doc = "how long it is remembered that there is no such product, device, certificate"});
  table.Int("directory-poll-ms", &c.directory_poll_ms,
            {.min = 100,
             .max = 3000,
             .unit = "ms",
             .doc = "how often the registry is asked for what was revoked or changed"});
  table.Int("directory-entries-max", &c.directory_entries_max,
            {.min = 1000,
             .max = 100'000'000,
             .doc = "products, devices, certificates that are cached, of each kind; a sixteenth of "
                    "them may be of names that do not exist"});
}

void DeclareDepartures(config::Table& table, GatewayConfig& c) {
  table.Int("drain-per-second", &c.drain_per_second,
            {.min = 1, .max = 1'000'000, .doc = "sessions disconnected per second on SIGTERM"});
  table.Int("drain-ms-max", &c.drain_ms_max,
            {.min = 0,
             .max = 600'000,
             .unit = "ms",
             .doc = "a drain is cut short after it: what is left is disconnected at once"});
  table.Text("server-reference", &c.server_reference,
             {.doc = "where MQTT 5 clients are told to connect when this pod sends them away, as "
                     "in MQTT 5 section 4.11; empty: nothing is said",
              .bytes_max = 1024});
  table.Flag("server-moved", &c.server_moved,
             {.doc = "they are told to connect there from now on, not only once"});
  table.Int("connection-age-s-max", &c.connection_age_s_max,
            {.min = 0,
             .max = 31'536'000,
             .unit = "s",
             .doc = "a connection ends between half of it and all of it; 0: never"});
  table.Int("shed-per-second", &c.shed_per_second,
            {.min = 0,
             .max = 1'000'000,
             .doc = "sessions that one reactor ends per second while it has more than the fleet's "
                    "average; 0: never"});
  table.Int("shed-margin-percent", &c.shed_margin_percent,
            {.min = 0, .max = 1000, .doc = "how far over the average that begins"});
}

}  // namespace

void Declare(config::Table& table, GatewayConfig& c) {
  DeclareAddresses(table, c);
  DeclareIdentity(table, c);
  DeclarePacketLimits(table, c);
  DeclareConnectionLimits(table, c);
  DeclareSessionLimits(table, c);
  DeclareReactorLimits(table, c);
  DeclareClientLimits(table, c);
  DeclareBus(table, c);
  DeclareTuning(table, c);
  DeclareDirectory(table, c);
  DeclareDepartures(table, c);
  table.Check([&c] { return CheckAddresses(c); });
  table.Check([&c] {
    if (!c.anonymous) return absl::OkStatus();
    for (const auto& [setting, listen] : MqttListens(c)) {
      HP_RETURN_IF_ERROR(CheckLoopback(setting, *listen));
    }
    return absl::OkStatus();
  });
  table.Check([&c] {
    // A pod that takes a dead one's sessions over reads on where that one had stopped.
    constexpr int64_t kLeases = 3;
    if (int64_t{c.bus_keep_s} * 1000 >= kLeases * c.pod_lease_ms) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "bus-keep-s must be at least three times pod-lease-ms: sessions of a dead gateway would "
        "miss messages");
  });
  table.Check([&c] { return peer::IpSet::Parse(c.proxy_from).status(); });
  table.Check([&c] {
    if (c.tls_cert.empty() != c.tls_key.empty()) {
      return absl::InvalidArgumentError("tls-cert and tls-key go together");
    }
    if (!(c.mqtts_listen.empty() && c.wss_listen.empty()) && c.tls_cert.empty()) {
      return absl::InvalidArgumentError("mqtts-listen and wss-listen need tls-cert and tls-key");
    }
    if (c.tls_cert.empty() && !c.tls_ticket_keys.empty()) {
      return absl::InvalidArgumentError("tls-ticket-keys needs tls-cert and tls-key");
    }
    if (c.tls_cert.empty() && !c.insecure) {
      return absl::InvalidArgumentError("tls-cert is empty: set it, or --insecure");
    }
    return absl::OkStatus();
  });
}

}  // namespace homeport::gateway
