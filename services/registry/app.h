#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "libs/auth/jwks_file.h"
#include "libs/auth/sealed_box.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/metrics/exposer.h"
#include "libs/metrics/health.h"
#include "libs/metrics/registry.h"
#include "libs/postgres/pool.h"
#include "libs/postgres/watchdog.h"
#include "libs/rpc/call_auth.h"
#include "libs/rpc/server.h"
#include "libs/runtime/lifecycle.h"
#include "services/registry/api/audit_service.h"
#include "services/registry/api/credential_service.h"
#include "services/registry/api/device_service.h"
#include "services/registry/api/directory_service.h"
#include "services/registry/api/history_service.h"
#include "services/registry/api/model_service.h"
#include "services/registry/api/operations_service.h"
#include "services/registry/api/presence_service.h"
#include "services/registry/api/product_service.h"
#include "services/registry/api/provisioning_service.h"
#include "services/registry/api/shadow_service.h"
#include "services/registry/api/tenant_service.h"
#include "services/registry/api/topology_service.h"
#include "services/registry/catalog_probe.h"
#include "services/registry/config.h"
#include "services/registry/history_keeper.h"
#include "services/registry/janitor.h"
#include "services/registry/membership.h"
#include "services/registry/operations/runner.h"
#include "services/registry/pod_inbox.h"
#include "services/registry/pod_sweeper.h"
#include "services/registry/provisioning/provisioner.h"
#include "services/registry/stream/worker.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

// What the setting ca-key-file names; nothing where it is empty.
[[nodiscard]] absl::StatusOr<std::optional<auth::SealedBox>> ReadSealing(
    const RegistryConfig& config);

// Brings the schema up to date and makes the rows of the partitions. Waits up to 30 s for
// PostgreSQL to come up.
[[nodiscard]] absl::Status PrepareDatabase(const RegistryConfig& config);

// A registry process without its main(): the parts, and the order in which they start and stop.
class App {
 public:
  // `tokens` is borrowed. REQUIRES: PrepareDatabase succeeded.
  // `sealing` encrypts the keys of private certificate authorities.
  App(const RegistryConfig& config, const PodId& pod, auth::JwksFile& tokens,
      const std::optional<auth::SealedBox>& sealing = std::nullopt);

  [[nodiscard]] absl::Status Start();
  // Drains: answers the calls under way, commits what is read, gives partitions and leases back.
  void Stop();

  [[nodiscard]] int grpc_port() const { return server_->port(); }
  [[nodiscard]] const metrics::Registry& metrics() const { return metrics_; }

 private:
  void AddBackground();
  void WatchWorkers();
  void AddServers();
  [[nodiscard]] WorkerOptions OptionsOf(uint32_t worker);

  const RegistryConfig config_;
  const PodId pod_;
  const Clock& clock_;
  metrics::Registry metrics_;
  metrics::Health health_;
  ServiceProbe probe_;
  CatalogProbe catalog_probe_;
  postgres::Watchdog watchdog_;  // outlives every connection
  postgres::Pool pool_;
  ReadLane page_lane_;
  ReadLane search_lane_;
  ShadowReads shadow_reads_;
  PageReads page_reads_;
  PageReads search_reads_;
  const auth::JwksFile& tokens_;
  rpc::CallAuth auth_;
  Catalog catalog_;
  AnswerTable answers_;
  StreamAppender appender_;
  PodInbox inbox_;
  Membership membership_;
  PodSweeper sweeper_;
  HistoryKeeper history_;
  OperationRunner operation_runner_;
  Janitor janitor_;
  ProvisionQueue provisions_;
  const CertificateSigner signer_;
  Provisioner provisioner_;
  std::vector<std::unique_ptr<Worker>> workers_;
  ProductService products_;
  ModelService models_;
  DeviceService devices_;
  ShadowService shadows_;
  TenantService tenants_;
  AuditService audit_;
  OperationsService operations_;
  DirectoryService directory_;
  CredentialService credentials_;
  ProvisioningService provisioning_;
  HistoryService past_;
  TopologyService topology_;
  PresenceService presence_;
  std::unique_ptr<metrics::Exposer> exposer_;
  std::unique_ptr<rpc::Server> server_;
  runtime::Lifecycle lifecycle_;
};

}  // namespace homeport::registry
