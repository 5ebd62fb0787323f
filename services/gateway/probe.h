#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "libs/base/strings.h"
#include "libs/metrics/registry.h"

namespace homeport::gateway {

// What one family of streams that is appended to counts: "uplink" or "bus".
struct AppendProbe {
  AppendProbe(metrics::Registry& registry, const char* stream);

  metrics::Counter& batches;
  metrics::Counter& retries;
  metrics::Histogram& batch_messages;
  metrics::Histogram& append_us;
  metrics::Histogram& ack_us;
  metrics::Gauge& buffered_bytes;
};

// Every metric of one shard: this file and its .cc name all of them. Cells of several shards are
// summed by the registry. Written by the shard's thread only.
struct ShardProbe {
  // REQUIRES: called once for each shard, before its thread starts.
  explicit ShardProbe(metrics::Registry& registry);

  // Counts a refusal or a drop under its reason. The first of a reason makes its series.
  void Refuse(std::string_view reason);
  // The counter is there before the first one: an alert sees how it grows.
  void ExpectRefusals(std::string_view reason) { static_cast<void>(RefusalsOf(reason)); }

  metrics::Registry& registry;
  metrics::Counter& connections;
  metrics::Counter& disconnections;
  metrics::Counter& handshakes;
  metrics::Counter& resumptions;
  metrics::Histogram& handshake_us;
  metrics::Gauge& tls_compact_sessions;
  metrics::Gauge& tls_openssl_sessions;
  metrics::Counter& tls_reloads;
  metrics::Counter& received_bytes;
  metrics::Counter& sent_bytes;
  metrics::Counter& connects;
  metrics::Counter& takeovers;
  metrics::Gauge& sessions;
  metrics::Counter& bans;
  metrics::Counter& departures_drain;
  metrics::Counter& departures_cut;
  metrics::Counter& departures_age;
  metrics::Counter& departures_shed;
  metrics::Counter& departures_renewed;
  metrics::Gauge& departures_left;
  metrics::Counter& publishes;
  metrics::Counter& pubacks;
  metrics::Counter& rate_pauses;
  metrics::Counter& backpressure_pauses;
  AppendProbe uplink;
  AppendProbe bus;
  metrics::Counter& claims_lost;
  metrics::Counter& releases_dropped;
  metrics::Counter& lease_lapses;
  metrics::Counter& lease_failures;
  metrics::Counter& inbox_items;
  metrics::Counter& inbox_malformed;
  metrics::Counter& outbox_dropped;
  metrics::Counter& deliveries;
  metrics::Counter& queued_messages;
  metrics::Gauge& away_sessions;
  metrics::Counter& resumed_sessions;
  metrics::Counter& expired_sessions;
  metrics::Counter& adopted_sessions;
  metrics::Counter& adopted_wills;
  metrics::Counter& stale_epochs;
  metrics::Counter& lifecycle_events;
  metrics::Gauge& redis_connected;
  metrics::Histogram& command_us;
  metrics::Gauge& commands_pending;
  metrics::Counter& commands_repeated;
  metrics::Gauge& watches;
  metrics::Counter& watch_events;
  metrics::Counter& watch_coalesced;

  // Counts a TLS handshake that failed under its reason.
  void HandshakeFailed(std::string_view reason);
  // Commands ended, by outcome: replied, offline, not_subscribed, too_many, unavailable,
  // stopping, request_id_reused, timed_out.
  void CommandEnded(std::string_view outcome);

 private:
  using Series = absl::flat_hash_map<std::string, metrics::Counter*, StringHash, StringEqual>;
  [[nodiscard]] metrics::Counter& RefusalsOf(std::string_view reason);

  Series refusals_;
  Series handshake_failures_;
  Series commands_;
};

}  // namespace homeport::gateway
