#pragma once

#include <cstdint>
#include <string>

#include "libs/config/table.h"

namespace homeport::fleet {

// The settings of homeport-fleet; see Declare for each one's meaning.
struct FleetConfig {
  std::string mqtts;
  std::string ca;
  std::string registry_grpc;
  std::string registry_ca;
  bool registry_insecure = false;
  std::string token_file;
  std::string fleet_key;
  std::string tenant = "default";
  std::string metrics_listen;
  uint32_t devices = 200;
  uint64_t seed = 1;
  double rate = 0.7;
  double connect_rate = 200;
  int64_t keep_alive_s = 60;
  uint32_t window = 4;
  double silent_percent = 2;
  int64_t silent_interval_s = 300;
  int64_t drain_ms = 10'000;
};

void Declare(config::Table& table, FleetConfig& config);

}  // namespace homeport::fleet
