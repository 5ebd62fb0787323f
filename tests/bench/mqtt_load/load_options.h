#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/config/table.h"
#include "services/fleet/io/endpoint.h"
#include "services/fleet/io/tls_client.h"

namespace homeport::bench {

// The settings of every mode; each mode's --help shows those it heeds beside these.
struct LoadOptions {
  std::string target = "127.0.0.1:1883";
  bool tls = false;
  bool resume = false;
  std::string ca;
  std::string sources;
  std::string fleet_key;
  std::string product;
  std::string user;
  std::string password;
  int mqtt = 4;
  std::string client_prefix = "bench-";
  uint32_t keep_alive_s = 600;
  uint32_t connections = 100;
  uint32_t connect_window = 64;
  std::string server_pids;
  std::string label;
  double seconds = 10;
  double warm_up_s = 2;

  uint32_t window = 10;
  uint32_t batch = 1;
  int64_t pause_us = 0;
  uint32_t size = 0;
  double rate = 0;
  std::string topic = "device/{id}/up/properties";
  std::string filter = "device/{id}/down/#";
  std::string payload = R"({"params":[{"siid":2,"piid":1,"value":{seq}}],"id":{seq}})";

  uint32_t subscriptions = 5;
  double settle_s = 3;

  uint32_t publishers = 1;
  uint32_t subscribers = 1;
  uint32_t topics = 1;
  uint32_t qos = 1;

  uint32_t devices = 100;
  double drain_s = 60;
  int64_t first_id = 1;
  std::string csv;
};

enum class Mode : uint8_t { kPublish, kConnect, kIdle, kDeliver, kLedger, kTakeover, kChurn };
[[nodiscard]] absl::StatusOr<Mode> ParseMode(std::string_view name);

// Declares the settings that `mode` heeds.
void Declare(Mode mode, LoadOptions* options, config::Table* table);

// What the options name, opened: shared by all sessions of a run.
struct Load {
  LoadOptions options;
  size_t servers = 0;
  std::vector<fleet::Endpoint> targets;   // the servers, from each source
  std::unique_ptr<fleet::TlsClient> tls;  // null: plain TCP
  std::vector<pid_t> server_pids;
  // Of the first sessions, worked out beforehand: a device has its password stored. Those of others
  // are worked out as they connect.
  std::vector<std::string> passwords;
};
// "<prefix>000042"
[[nodiscard]] std::string ClientId(const LoadOptions& options, uint32_t index);
[[nodiscard]] absl::StatusOr<Load> Prepare(const LoadOptions& options);

}  // namespace homeport::bench
