#pragma once

#include <cstdint>
#include <string>

#include "libs/config/table.h"

namespace homeport::registry {

// The settings of homeport-registry; documented where they are declared, in config.cc.
struct RegistryConfig {
  std::string pod_name = "registry";
  std::string grpc_listen = "127.0.0.1:7600";
  std::string metrics_listen = "127.0.0.1:7601";
  std::string redis = "127.0.0.1:6379";
  std::string redis_user;
  std::string redis_password;
  std::string postgres;
  std::string tls_cert;
  std::string tls_key;
  bool insecure = false;
  std::string jwks_file;
  std::string token_issuer = "homeport";
  std::string anonymous_tenant;
  uint32_t partitions = 64;
  uint32_t workers = 2;
  int64_t partition_lease_ms = 5'000;
  int64_t pod_lease_ms = 10'000;
  int64_t commit_interval_ms = 5;
  uint32_t transaction_messages = 2000;
  uint32_t cached_devices = 250'000;
  uint32_t api_connections = 8;
  uint32_t api_read_threads = 2;
  uint32_t api_reads_waiting_max = 1'000;
  int64_t postgres_answer_ms = 10'000;
  int64_t loop_stuck_ms_max = 30'000;
  int64_t api_answer_ms = 4'000;
  uint32_t history_days_ahead = 3;
  uint32_t history_days_kept = 30;
  uint32_t history_values_max = 256;
  uint32_t history_value_bytes_max = 4096;
  int64_t event_repeat_ms = 3'600'000;
  int64_t presence_grace_ms = 2'000;
  int64_t presence_stale_ms = 10'000;
  uint32_t hub_children_max = 1'000;
  uint32_t device_clients_max = 64;
  uint32_t shadow_bytes_max = 64 * 1024;
  uint32_t shadow_depth_max = 8;
  uint32_t shadow_loop_rounds = 30;
  int64_t shadow_loop_window_ms = 10'000;
  uint32_t model_versions_max = 64;
  uint32_t device_purge_days = 30;
  uint32_t request_answer_hours = 24;
  uint32_t audit_days_kept = 365;
  uint32_t operation_days_kept = 30;
  uint32_t exports_unfinished_max = 4;
  uint32_t export_devices_max = 10'000'000;
  std::string ca_key_file;
  std::string ca_sign_command;
  int64_t certificate_days = 365;
  uint32_t provision_queue_max = 1000;
  uint32_t provision_client_max = 8;
  bool migrate_only = false;
};

void DeclareSettings(RegistryConfig& config, config::Table& table);

}  // namespace homeport::registry
