#include <cstdio>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/metrics/exposer.h"
#include "libs/runtime/process.h"
#include "libs/runtime/stop_signal.h"
#include "services/fleet/fleet.h"
#include "services/fleet/provision.h"

namespace {

using namespace homeport;
using fleet::FleetConfig;

constexpr int64_t kRetryMs = 1000;
constexpr int64_t kStopPollUs = 100'000;

// Until the registry has answered, or the process is asked to end.
absl::StatusOr<std::vector<std::string>> FleetKeys(
    const FleetConfig& config, const std::vector<std::unique_ptr<fleet::Kind>>& kinds,
    runtime::StopSignal& stop) {
  if (!config.fleet_key.empty()) return std::vector<std::string>(kinds.size(), config.fleet_key);
  for (;;) {
    auto keys = fleet::EnsureProducts(config, kinds);
    if (keys.ok()) return keys;
    log::Warn("registry_not_ready", {{"error", keys.status()}});
    if (stop.WaitFor(kRetryMs)) return absl::CancelledError("stopped before the registry answered");
  }
}

// Calls Fleet::Stop once when the process is asked to end.
void PollStop(fleet::EventLoop& loop, runtime::StopSignal& stop, fleet::Fleet& fleet) {
  loop.After(kStopPollUs, [&loop, &stop, &fleet] {
    if (!stop.WaitFor(0)) return PollStop(loop, stop, fleet);
    log::Info("stopping");
    fleet.Stop([&loop] { loop.Stop(); });
  });
}

absl::Status Run(const FleetConfig& config, runtime::StopSignal& stop) {
  HP_RETURN_IF_ERROR(runtime::RaiseFileLimit().status());
  metrics::Registry registry;
  metrics::Health health;
  metrics::AddProcessMetrics(registry);
  fleet::FleetProbe probe(registry);
  health.Expect("products");
  std::unique_ptr<metrics::Exposer> exposer;
  if (!config.metrics_listen.empty()) {
    HP_ASSIGN_OR_RETURN(exposer, metrics::Exposer::Start(config.metrics_listen, registry, health));
  }
  HP_ASSIGN_OR_RETURN(const auto gateways, fleet::ResolveEndpoints(config.mqtts));
  HP_ASSIGN_OR_RETURN(const auto tls,
                      fleet::TlsClient::Create(config.ca, fleet::TlsClient::Resumes::kNever));
  HP_ASSIGN_OR_RETURN(const auto kinds, fleet::MakeCatalog());
  HP_ASSIGN_OR_RETURN(const auto keys, FleetKeys(config, kinds, stop));
  health.Met("products");

  fleet::EventLoop loop;
  fleet::Fleet fleet({loop, config, probe, health, gateways, tls.get(), kinds, keys});
  fleet.Start();
  PollStop(loop, stop, fleet);
  loop.Run();
  std::puts(fleet.Summary().c_str());
  std::fflush(stdout);
  fleet.LogSummary();
  return absl::OkStatus();
}

}  // namespace

// The fleet: devices with product models, over MQTT. Start at Fleet for who connects when, at
// Device for what one of them does.
int main(int argc, char** argv) {
  FleetConfig config;
  config::Table table("homeport-fleet", "Simulates devices of real product models.");
  fleet::Declare(table, config);
  if (const auto exit_code = config::LoadForMain(table, argc, argv)) return *exit_code;
  runtime::StopSignal stop;
  if (const absl::Status status = Run(config, stop); !status.ok()) {
    log::Error("fleet_failed", {{"reason", status}});
    return absl::IsCancelled(status) ? 0 : 1;
  }
  return 0;
}
