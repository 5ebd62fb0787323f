#include "services/gateway/probe.h"

namespace homeport::gateway {
namespace {

constexpr const char* kDepartures = "homeport_gateway_drain_disconnects_total";
constexpr const char* kDeparturesHelp = "Sessions ended so that their clients go elsewhere";

metrics::Buckets BatchBuckets() { return {{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}, 1}; }

}  // namespace

AppendProbe::AppendProbe(metrics::Registry& r, const char* stream)
    : batches(r.AddCounter("homeport_gateway_stream_batches_total", "Batches appended to Redis",
                           {{"stream", stream}})),
      retries(r.AddCounter("homeport_gateway_stream_retries_total",
                           "Batches whose append failed or was not answered",
                           {{"stream", stream}})),
      batch_messages(r.AddHistogram("homeport_gateway_stream_batch_messages", "Messages in a batch",
                                    BatchBuckets(), {{"stream", stream}})),
      append_us(r.AddHistogram("homeport_gateway_stream_append_seconds",
                               "From XADD to Redis's answer", metrics::LatencyBuckets(),
                               {{"stream", stream}})),
      ack_us(r.AddHistogram("homeport_gateway_puback_seconds",
                            "From the arrival of a batch's first message to its PUBACKs",
                            metrics::LatencyBuckets(), {{"stream", stream}})),
      buffered_bytes(r.AddGauge("homeport_gateway_stream_buffered_bytes",
                                "Messages not yet appended to Redis", {{"stream", stream}})) {}

ShardProbe::ShardProbe(metrics::Registry& r)
    : registry(r),
      connections(r.AddCounter("homeport_gateway_connections_total", "Connections accepted")),
      disconnections(r.AddCounter("homeport_gateway_disconnections_total", "Connections closed")),
      handshakes(r.AddCounter("homeport_gateway_tls_handshakes_total", "TLS handshakes completed")),
      resumptions(r.AddCounter("homeport_gateway_tls_resumptions_total",
                               "TLS handshakes completed that resumed a session")),
      handshake_us(r.AddHistogram("homeport_gateway_tls_handshake_seconds",
                                  "From the start of a TLS handshake to its end",
                                  metrics::LatencyBuckets())),
      tls_compact_sessions(r.AddGauge("homeport_gateway_tls_sessions", "TLS connections by kind",
                                      {{"kind", "compact"}})),
      tls_openssl_sessions(r.AddGauge("homeport_gateway_tls_sessions", "TLS connections by kind",
                                      {{"kind", "openssl"}})),
      tls_reloads(r.AddCounter("homeport_gateway_tls_reloads_total",
                               "Times a reactor took changed TLS files into use")),
      received_bytes(
          r.AddCounter("homeport_gateway_received_bytes_total", "Bytes read from MQTT clients")),
      sent_bytes(
          r.AddCounter("homeport_gateway_sent_bytes_total", "Bytes written to MQTT clients")),
      connects(r.AddCounter("homeport_gateway_connects_total", "CONNECTs accepted")),
      takeovers(r.AddCounter("homeport_gateway_takeovers_total",
                             "Sessions ended because their client id connected again")),
      sessions(r.AddGauge("homeport_gateway_sessions", "MQTT sessions online")),
      bans(r.AddCounter("homeport_gateway_flapping_bans_total",
                        "Times a client was banned for connecting again and again")),
      departures_drain(r.AddCounter(kDepartures, kDeparturesHelp, {{"cause", "drain"}})),
      departures_cut(r.AddCounter(kDepartures, kDeparturesHelp, {{"cause", "drain_cut_short"}})),
      departures_age(r.AddCounter(kDepartures, kDeparturesHelp, {{"cause", "age"}})),
      departures_shed(r.AddCounter(kDepartures, kDeparturesHelp, {{"cause", "shed"}})),
      departures_renewed(
          r.AddCounter(kDepartures, kDeparturesHelp, {{"cause", "directory_reset"}})),
      departures_left(r.AddGauge("homeport_gateway_drain_remaining_sessions",
                                 "Sessions that are still to be ended by a drain, or that are too "
                                 "many for the fleet's average")),
      publishes(r.AddCounter("homeport_gateway_publishes_received_total",
                             "PUBLISH packets accepted from clients")),
      pubacks(r.AddCounter("homeport_gateway_pubacks_sent_total",
                           "Publishes of QoS 1 and 2 answered, by PUBACK or PUBREC")),
      rate_pauses(r.AddCounter("homeport_gateway_rate_pauses_total",
                               "Times a session was read no further for its publish rate")),
      backpressure_pauses(
          r.AddCounter("homeport_gateway_backpressure_pauses_total",
                       "Times a session was read no further because too much waited for Redis")),
      uplink(r, "uplink"),
      bus(r, "bus"),
      claims_lost(r.AddCounter("homeport_gateway_claims_unanswered_total",
                               "Ownership claims that Redis did not answer")),
      releases_dropped(r.AddCounter("homeport_gateway_releases_dropped_total",
                                    "Ownership releases given up while Redis was away")),
      lease_lapses(r.AddCounter("homeport_gateway_lease_lapses_total",
                                "Times the pod's lease was found gone")),
      lease_failures(r.AddCounter("homeport_gateway_lease_failures_total",
                                  "Renewals of the pod's lease that Redis did not confirm")),
      inbox_items(r.AddCounter("homeport_gateway_inbox_items_total", "Items read from the inbox")),
      inbox_malformed(r.AddCounter("homeport_gateway_inbox_malformed_total",
                                   "Inbox entries that could not be parsed")),
      outbox_dropped(r.AddCounter("homeport_gateway_outbox_dropped_total",
                                  "Items for other pods that Redis did not take")),
      deliveries(
          r.AddCounter("homeport_gateway_deliveries_total", "PUBLISH packets sent to clients")),
      queued_messages(r.AddCounter("homeport_gateway_queued_messages_total",
                                   "Messages written to the queues of sessions that outlive their "
                                   "connections")),
      away_sessions(r.AddGauge("homeport_gateway_away_sessions",
                               "Sessions that wait for their client to come back")),
      resumed_sessions(r.AddCounter("homeport_gateway_resumed_sessions_total",
                                    "Sessions that went on with a new connection")),
      expired_sessions(r.AddCounter("homeport_gateway_expired_sessions_total",
                                    "Sessions whose client did not come back in time")),
      adopted_sessions(r.AddCounter("homeport_gateway_adopted_sessions_total",
                                    "Waiting sessions taken over from dead pods")),
      adopted_wills(
          r.AddCounter("homeport_gateway_adopted_wills_total", "Wills taken over from dead pods")),
      stale_epochs(r.AddCounter("homeport_gateway_stale_epochs_total",
                                "Downlink items for sessions that are gone or newer")),
      lifecycle_events(r.AddCounter("homeport_gateway_lifecycle_events_total",
                                    "Lifecycle events published to clients that follow them")),
      redis_connected(r.AddGauge("homeport_gateway_redis_connections", "Redis connections up")),
      command_us(r.AddHistogram("homeport_gateway_command_seconds",
                                "Command round trips that the device answered",
                                metrics::LatencyBuckets())),
      commands_pending(
          r.AddGauge("homeport_gateway_commands_pending", "Commands awaiting their device")),
      commands_repeated(
          r.AddCounter("homeport_gateway_commands_repeated_total",
                       "Actions answered as the first call with their request_id was")),
      watches(r.AddGauge("homeport_gateway_watched_devices", "Devices that callers watch")),
      watch_events(r.AddCounter("homeport_gateway_watch_events_total", "Events sent to watchers")),
      watch_coalesced(r.AddCounter("homeport_gateway_watch_coalesced_total",
                                   "Events merged because their watcher was slow")) {}

void ShardProbe::Refuse(std::string_view reason) { RefusalsOf(reason).Increment(); }

metrics::Counter& ShardProbe::RefusalsOf(std::string_view reason) {
  auto found = refusals_.find(reason);
  if (found == refusals_.end()) {
    metrics::Counter& cell =
        registry.AddCounter("homeport_gateway_refusals_total",
                            "Packets, connections and messages refused or dropped, by reason",
                            {{"reason", std::string(reason)}});
    found = refusals_.emplace(std::string(reason), &cell).first;
  }
  return *found->second;
}

void ShardProbe::HandshakeFailed(std::string_view reason) {
  auto found = handshake_failures_.find(reason);
  if (found == handshake_failures_.end()) {
    metrics::Counter& cell = registry.AddCounter("homeport_gateway_tls_handshake_failures_total",
                                                 "TLS handshakes that failed, by reason",
                                                 {{"reason", std::string(reason)}});
    found = handshake_failures_.emplace(std::string(reason), &cell).first;
  }
  found->second->Increment();
}

void ShardProbe::CommandEnded(std::string_view outcome) {
  auto found = commands_.find(outcome);
  if (found == commands_.end()) {
    metrics::Counter& cell =
        registry.AddCounter("homeport_gateway_commands_total", "Commands ended, by outcome",
                            {{"outcome", std::string(outcome)}});
    found = commands_.emplace(std::string(outcome), &cell).first;
  }
  found->second->Increment();
}

}  // namespace homeport::gateway
