#include "libs/base/log.h"
#include "libs/runtime/lifecycle.h"
#include "libs/runtime/process.h"
#include "libs/runtime/stop_signal.h"
#include "services/gateway/config.h"
#include "services/gateway/gateway.h"

// The gateway: devices' MQTT sessions on one side, Redis Streams on the other, and ControlService
// for phones. Start at Gateway::AddTo for its parts, at MqttServer::OnFrame for a packet's way.
int main(int argc, char** argv) {
  using namespace homeport;
  gateway::GatewayConfig config;
  config::Table table("homeport-gateway", "Holds the MQTT sessions of a fleet.");
  gateway::Declare(table, config);
  if (const auto exit_code = config::LoadForMain(table, argc, argv)) return *exit_code;

  runtime::StopSignal stop;
  const auto pod = runtime::MakePodId(config.pod_name);
  const auto files = runtime::RaiseFileLimit();
  if (!pod.ok() || !files.ok()) {
    log::Error("start_failed", {{"reason", pod.ok() ? files.status() : pod.status()}});
    return 1;
  }
  gateway::Gateway gateway(config, *pod);
  runtime::Lifecycle lifecycle;
  gateway.AddTo(lifecycle);
  if (const absl::Status started = lifecycle.Start(); !started.ok()) {
    log::Error("start_failed", {{"reason", started}});
    return 1;
  }
  log::Info("ready", {{"pod", pod->str()}, {"files_max", *files}});
  log::Info("stopping", {{"reason", stop.Wait()}});
  lifecycle.Stop();
  return 0;
}
