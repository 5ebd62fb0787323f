#pragma once

#include <cstdint>
#include <string>

#include "libs/config/table.h"

namespace homeport::gateway {

// Every setting of the gateway, with its default. `--help` prints what Declare says of each.
struct GatewayConfig {
  std::string pod_name = "gateway";
  std::string mqtt_listen;
  std::string mqtts_listen;
  std::string ws_listen;
  std::string wss_listen;
  std::string proxy_from;
  std::string grpc_listen = "127.0.0.1:7443";
  std::string metrics_listen = "127.0.0.1:9464";
  std::string redis = "127.0.0.1:6379";
  std::string redis_user;
  std::string redis_password;
  std::string registry_grpc = "127.0.0.1:7600";
  std::string registry_ca;
  std::string service_token_file;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ticket_keys;
  uint32_t tls_ticket_lifetime_s = 86'400;
  bool tls_compact = true;
  std::string jwks_file;
  std::string token_issuer = "homeport";
  bool insecure = false;
  bool anonymous = false;
  std::string anonymous_denied_filter;
  uint32_t partitions = 64;
  uint32_t bus_partitions = 16;
  uint32_t bus_keep_s = 60;
  uint64_t bus_cache_bytes = 4 << 20;
  uint64_t retained_messages_max = 250'000;
  uint64_t retained_bytes_max = 256 << 20;
  uint32_t reactors = 0;
  int64_t pod_lease_ms = 10'000;
  int64_t former_end_ms_max = 1000;
  int64_t loop_stuck_ms_max = 30'000;
  int64_t session_pod_ms = 1000;
  uint32_t linger_ms_max = 1000;
  uint32_t linger_bytes_max = 1 << 20;
  uint32_t lingering_max = 256;
  int64_t uplink_window_ms = 2;
  uint64_t uplink_buffer_bytes = 64 << 20;
  uint32_t sessions_max = 1'000'000;
  uint32_t packet_bytes_max = 256 << 10;
  uint32_t topic_bytes_max = 256;
  uint32_t topic_levels_max = 16;
  uint32_t user_properties_max = 32;
  uint32_t client_id_bytes_max = 128;
  uint32_t output_bytes_max = 1 << 20;
  uint32_t publishes_per_second = 100;
  uint32_t bytes_per_second = 512 << 10;
  bool reason_strings = true;
  bool tell_no_subscribers = false;
  uint32_t inflight_max = 100;
  uint32_t qos2_untold_max = 5'000;
  uint32_t subscriptions_max = 50;
  uint32_t things_of_session_max = 50;
  uint32_t session_expiry_s_max = 604'800;
  uint32_t waiting_messages_max = 1000;
  uint64_t waiting_bytes_max = 4 << 20;
  uint32_t queue_messages_max = 1000;
  uint64_t queue_bytes_max = 1 << 20;
  uint32_t connect_deadline_s = 10;
  uint32_t tls_handshakes_max = 2000;
  uint32_t source_connects_per_second = 1000;
  int64_t claim_window_ms = 5;
  uint32_t connects_under_way_max = 128;
  uint32_t connects_waiting_max = 2000;
  uint32_t client_connects_per_second = 1;
  uint32_t client_connects_burst = 30;
  uint32_t flapping_connects = 90;
  uint32_t flapping_window_s = 60;
  uint32_t flapping_ban_s = 300;
  uint32_t flapping_clients_max = 4096;
  uint32_t tenant_sessions_max = 500'000;
  uint32_t tenant_messages_per_second = 200'000;
  uint32_t ws_head_bytes_max = 8192;
  uint32_t ws_frame_bytes_max = 1 << 20;
  uint32_t keep_alive_s_min = 5;
  uint32_t keep_alive_s_max = 3600;
  uint32_t overload_lag_ms = 100;
  uint64_t memory_bytes_max = 0;
  uint32_t memory_percent_max = 90;
  uint32_t commands_max = 10'000;
  uint32_t action_answer_s = 600;
  uint32_t watches_max = 100'000;
  uint32_t watch_calls_max = 20'000;
  uint32_t session_calls_max = 1000;
  uint32_t talkers_max = 256;
  uint32_t traffic_window_s = 30;
  bool lifecycle_events = true;
  uint32_t directory_ttl_s = 60;
  uint32_t directory_negative_ttl_s = 30;
  uint32_t directory_poll_ms = 1000;
  uint32_t directory_entries_max = 1'000'000;
  uint32_t clock_skew_s = 300;
  uint32_t token_life_s_max = 86'400;
  std::string token_audience;
  uint32_t drain_per_second = 500;
  uint32_t drain_ms_max = 30'000;
  std::string server_reference;
  bool server_moved = false;
  uint32_t connection_age_s_max = 0;
  uint32_t shed_per_second = 0;
  uint32_t shed_margin_percent = 10;
};

void Declare(config::Table& table, GatewayConfig& config);

}  // namespace homeport::gateway
