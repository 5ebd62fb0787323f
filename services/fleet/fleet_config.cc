#include "services/fleet/fleet_config.h"

namespace homeport::fleet {
namespace {

void DeclareServers(config::Table& t, FleetConfig& c) {
  t.Text("mqtts", &c.mqtts,
         {.unit = "host:port, comma list",
          .doc = "MQTT over TLS of the gateways; devices are spread over them",
          .required = true});
  t.Text("ca", &c.ca,
         {.unit = "PEM file", .doc = "CA of the gateways' certificates", .required = true});
  t.Text("registry-grpc", &c.registry_grpc,
         {.unit = "host:port", .doc = "Where to create the products and read their fleet keys"});
  t.Text("registry-ca", &c.registry_ca,
         {.unit = "PEM file", .doc = "CA of the registry's certificate; empty: that of --ca"});
  t.Flag("registry-insecure", &c.registry_insecure, {.doc = "Plaintext gRPC, for tests"});
  t.Text("token-file", &c.token_file,
         {.unit = "file", .doc = "Bearer token with the scope \"operator\""});
  t.Text("fleet-key", &c.fleet_key,
         {.doc = "Key of all products, instead of asking a registry", .secret = true});
  t.Text("tenant", &c.tenant, {.doc = "Tenant of the products", .required = true});
  t.Text("metrics-listen", &c.metrics_listen,
         {.unit = "host:port", .doc = "/metrics, /livez, /readyz; empty: off"});
  t.Check([&c] {
    return c.registry_grpc.empty() == c.fleet_key.empty()
               ? absl::InvalidArgumentError("give either --registry-grpc or --fleet-key")
               : absl::OkStatus();
  });
}

void DeclareDevices(config::Table& t, FleetConfig& c) {
  t.Int("devices", &c.devices, {.min = 1, .max = 100'000, .doc = "Devices to simulate"});
  t.Int("seed", &c.seed, {.doc = "Of all that devices do by chance"});
  t.Number("rate", &c.rate,
           {.max = 100,
            .unit = "1/s",
            .doc = "Reports of each device in a second: its time runs faster, so that a "
                   "demonstration moves. 0: real time, reports as their classes ask for"});
  t.Number("connect-rate", &c.connect_rate,
           {.min = 0.1, .max = 100'000, .unit = "1/s", .doc = "First connections in a second"});
  t.Int("keep-alive", &c.keep_alive_s,
        {.min = 5, .max = 3600, .unit = "s", .doc = "MQTT keep-alive, less up to a tenth"});
  t.Int("window", &c.window, {.min = 1, .max = 100, .doc = "Reports in flight per device"});
  t.Number("silent-percent", &c.silent_percent,
           {.max = 100,
            .unit = "%",
            .doc = "Devices that now and then fall silent without closing their connection"});
  t.Int("silent-interval", &c.silent_interval_s,
        {.min = 1, .unit = "s", .doc = "Mean time between two silences of such a device"});
  t.Int("drain", &c.drain_ms,
        {.max = 600'000, .unit = "ms", .doc = "Longest wait for acknowledgements at the end"});
}

}  // namespace

void Declare(config::Table& table, FleetConfig& config) {
  DeclareServers(table, config);
  DeclareDevices(table, config);
}

}  // namespace homeport::fleet
