#include <cstdio>
#include <memory>

#include "libs/auth/jwks_file.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/runtime/process.h"
#include "libs/runtime/stop_signal.h"
#include "services/registry/app.h"
#include "services/registry/config.h"

namespace homeport::registry {
namespace {

absl::Status Run(const RegistryConfig& config, runtime::StopSignal& stop) {
  HP_RETURN_IF_ERROR(PrepareDatabase(config));
  if (config.migrate_only) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const PodId pod, runtime::MakePodId(config.pod_name));
  HP_ASSIGN_OR_RETURN(const std::unique_ptr<auth::JwksFile> tokens,
                      auth::JwksFile::Open(config.jwks_file, {.issuer = config.token_issuer}));
  HP_ASSIGN_OR_RETURN(const std::optional<auth::SealedBox> sealing, ReadSealing(config));
  App app(config, pod, *tokens, sealing);
  HP_RETURN_IF_ERROR(app.Start());
  log::Info("stopping", {{"reason", stop.Wait()}});
  app.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace homeport::registry

int main(int argc, char** argv) {
  homeport::runtime::StopSignal stop;
  homeport::registry::RegistryConfig config;
  homeport::config::Table table(
      "homeport-registry",
      "Keeps products, devices and shadows in PostgreSQL, fed by the uplink streams in Redis.");
  homeport::registry::DeclareSettings(config, table);
  if (const auto exit_code = homeport::config::LoadForMain(table, argc, argv)) return *exit_code;
  const absl::Status status = homeport::registry::Run(config, stop);
  if (status.ok()) return 0;
  homeport::log::Error("failed", {{"error", status}});
  return 1;
}
